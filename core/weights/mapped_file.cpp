// SPDX-License-Identifier: Apache-2.0
#include "weights/mapped_file.hpp"

#include <cerrno>
#include <cstring>
#include <string>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.hpp"

namespace osteon::weights {

MappedFile::MappedFile(const std::filesystem::path& path) : path_(path) {
  const auto fail = [&](const std::string& what) {
    throw Error(ExitCode::kData, what + ": " + std::strerror(errno), path.string());
  };
  // Without waiting for who writes into a pipe, which is no regular file anyway.
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) fail("cannot open the weights");
  struct stat status {};
  const bool known = ::fstat(descriptor, &status) == 0;
  if (known && S_ISREG(status.st_mode) && status.st_size > 0) {
    size_ = static_cast<std::size_t>(status.st_size);
    mapping_ = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, descriptor, 0);
  }
  const int error = errno;
  ::close(descriptor);
  errno = error;
  if (!known || mapping_ == MAP_FAILED) fail("cannot read the weights");
  if (!S_ISREG(status.st_mode)) throw Error(ExitCode::kData, "is not a regular file", path.string());
}

MappedFile::~MappedFile() {
  if (mapping_ != nullptr) ::munmap(mapping_, size_);
}

}  // namespace osteon::weights
