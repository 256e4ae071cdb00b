// SPDX-License-Identifier: Apache-2.0
#include "plugin/private_copy.hpp"

#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/child.hpp"
#include "base/error.hpp"
#include "base/file.hpp"

#ifndef MFD_EXEC  // Linux 6.3
#define MFD_EXEC 0x0010U
#endif

namespace osteon::plugin {
namespace {

class Source {
 public:
  // Opening a pipe would wait for a writer, hence O_NONBLOCK.
  explicit Source(const std::filesystem::path& file)
      : descriptor_(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
    if (descriptor_ < 0) throw Error(ExitCode::kPlugin, std::string("cannot be opened: ") + std::strerror(errno));
  }
  ~Source() { ::close(descriptor_); }
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;

  bool is_regular() const {
    struct stat status {};
    return ::fstat(descriptor_, &status) == 0 && S_ISREG(status.st_mode);
  }
  void copy_to(int target) const {
    std::vector<char> buffer(1 << 20);
    while (true) {
      const ssize_t n = ::read(descriptor_, buffer.data(), buffer.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) throw Error(ExitCode::kPlugin, std::string("cannot be read: ") + std::strerror(errno));
      if (n == 0) return;
      for (ssize_t written = 0; written < n;) {
        const ssize_t m = ::write(target, buffer.data() + written, static_cast<std::size_t>(n - written));
        if (m < 0 && errno == EINTR) continue;
        if (m < 0)
          throw Error(ExitCode::kResources,
                      std::string("no memory for a copy of the library: ") + std::strerror(errno));
        written += m;
      }
    }
  }

 private:
  int descriptor_;
};

int memory_file(const std::filesystem::path& file) {
  // The name is what process maps, profilers and core dumps show.
  const std::string name = file.filename().string().substr(0, 200);
  int descriptor = ::memfd_create(name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
  if (descriptor < 0 && errno == EINVAL)  // a kernel that does not know MFD_EXEC, and needs none
    descriptor = ::memfd_create(name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (descriptor < 0)
    throw Error(ExitCode::kResources,
                std::string("this system gives no memory to run code from (vm.memfd_noexec must be 0 or 1): ") +
                    std::strerror(errno));
  // In a process whose parent left it free, the number on which parents are answered stays free.
  const int above = ::fcntl(descriptor, F_DUPFD_CLOEXEC, kAnswerDescriptor + 1);
  const int failure = errno;
  ::close(descriptor);
  if (above < 0)
    throw Error(ExitCode::kResources,
                std::string("too many files are open to open a library: ") + std::strerror(failure));
  return above;
}

std::string sha256_of(int descriptor) {
  struct stat status {};
  if (::fstat(descriptor, &status) != 0 || status.st_size == 0) return sha256({});
  const auto size = static_cast<std::size_t>(status.st_size);
  void* bytes = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, descriptor, 0);
  if (bytes == MAP_FAILED)
    throw Error(ExitCode::kResources, std::string("no memory to look at the library: ") + std::strerror(errno));
  std::string digest = sha256({static_cast<const char*>(bytes), size});
  ::munmap(bytes, size);
  return digest;
}

}  // namespace

PrivateCopy::PrivateCopy(const std::filesystem::path& file) {
  const Source source(file);
  if (!source.is_regular()) throw Error(ExitCode::kPlugin, "is no regular file");
  descriptor_ = memory_file(file);
  try {
    source.copy_to(descriptor_);
    if (::fcntl(descriptor_, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) != 0)
      throw Error(ExitCode::kResources,
                  std::string("the copy of the library cannot be sealed: ") + std::strerror(errno));
    sha256_ = sha256_of(descriptor_);
  } catch (...) {
    ::close(descriptor_);
    throw;
  }
}

PrivateCopy::PrivateCopy(PrivateCopy&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)), sha256_(std::move(other.sha256_)) {}

PrivateCopy::~PrivateCopy() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

std::filesystem::path PrivateCopy::path() const {
  return "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(descriptor_);
}

}  // namespace osteon::plugin
