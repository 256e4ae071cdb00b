// SPDX-License-Identifier: Apache-2.0
#include "base/file.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <set>
#include <sstream>
#include <vector>

#include <fcntl.h>
#include <nettle/sha2.h>
#include <unistd.h>

#include "base/error.hpp"

namespace osteon {
namespace fs = std::filesystem;
namespace {

std::string system_reason() { return std::strerror(errno); }

class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return value_; }

 private:
  int value_;
};

void write_fully(const fs::path& path, std::string_view content) {
  const Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
  if (file.get() < 0) throw Error(ExitCode::kResources, "cannot create the file: " + system_reason(), path.string());
  while (!content.empty()) {
    const ssize_t n = ::write(file.get(), content.data(), content.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw Error(ExitCode::kResources, "cannot write the file: " + system_reason(), path.string());
    content.remove_prefix(static_cast<std::size_t>(n));
  }
  if (::fsync(file.get()) != 0)
    throw Error(ExitCode::kResources, "cannot flush the file to disk: " + system_reason(), path.string());
}

std::string hex(const uint8_t* digest, std::size_t size) {
  static const char* kDigits = "0123456789abcdef";
  std::string text;
  for (std::size_t i = 0; i < size; ++i) {
    text.push_back(kDigits[digest[i] >> 4]);
    text.push_back(kDigits[digest[i] & 15]);
  }
  return text;
}

std::string finish(sha256_ctx& context) {
  uint8_t digest[SHA256_DIGEST_SIZE];
  sha256_digest(&context, sizeof digest, digest);
  return hex(digest, sizeof digest);
}

}  // namespace

std::string read_file(const fs::path& path) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) throw Error(ExitCode::kData, "is a folder, not a file", path.string());
  std::ifstream file(path, std::ios::binary);
  if (!file) throw Error(ExitCode::kData, "cannot open the file: " + system_reason(), path.string());
  std::ostringstream content;
  content << file.rdbuf();
  if (file.bad()) throw Error(ExitCode::kData, "cannot read the file: " + system_reason(), path.string());
  return std::move(content).str();
}

void write_atomically(const fs::path& path, const std::function<void(const fs::path&)>& write) {
  if (path.has_parent_path()) {
    std::error_code failure;
    fs::create_directories(path.parent_path(), failure);
    if (failure)
      throw Error(ExitCode::kResources, "cannot create the folder: " + failure.message(), path.parent_path().string());
  }
  // The extension stays last, because image encoders choose the format by it. A name may be as long as the file system
  // takes, and what is added to it has to fit too.
  constexpr std::size_t kLongestStem = 200;
  std::string stem = path.stem().string();
  if (stem.size() > kLongestStem) stem = sha256(stem);
  fs::path temporary = path;
  temporary.replace_filename("." + stem + "." + std::to_string(::getpid()) + ".part" + path.extension().string());
  try {
    write(temporary);
  } catch (...) {
    std::error_code ignored;
    fs::remove(temporary, ignored);
    throw;
  }
  std::error_code failure;
  fs::rename(temporary, path, failure);
  if (failure)
    throw Error(ExitCode::kResources, "cannot rename the finished file: " + failure.message(), path.string());
}

void write_file_atomically(const fs::path& path, std::string_view content) {
  write_atomically(path, [&](const fs::path& temporary) { write_fully(temporary, content); });
}

bool is_file(const fs::path& path) noexcept {
  std::error_code none;
  return fs::is_regular_file(path, none);
}

bool is_there(const fs::path& path) noexcept {
  std::error_code none;
  return fs::exists(path, none);
}

Error error_of(const fs::filesystem_error& failure) {
  static const std::set<int> kResources = {ENOSPC, EDQUOT, EROFS, ENOMEM, EMFILE, ENFILE};
  const int number = failure.code().value();
  const fs::path& path = failure.path1().empty() ? failure.path2() : failure.path1();
  return Error(kResources.count(number) > 0 ? ExitCode::kResources : ExitCode::kData,
               path.empty() ? failure.what() : failure.code().message(), path.string());
}

std::string sha256(std::string_view bytes) {
  sha256_ctx context;
  sha256_init(&context);
  sha256_update(&context, bytes.size(), reinterpret_cast<const uint8_t*>(bytes.data()));
  return finish(context);
}

std::string sha256_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw Error(ExitCode::kData, "cannot open the file: " + system_reason(), path.string());
  sha256_ctx context;
  sha256_init(&context);
  std::vector<char> buffer(1 << 20);
  while (file) {
    file.read(buffer.data(), static_cast<std::streamsize>(buffer.size()));
    sha256_update(&context, static_cast<std::size_t>(file.gcount()), reinterpret_cast<const uint8_t*>(buffer.data()));
  }
  if (file.bad()) throw Error(ExitCode::kData, "cannot read the file: " + system_reason(), path.string());
  return finish(context);
}

fs::path cache_folder() {
  if (const char* folder = std::getenv("OSTEON_CACHE_DIR"); folder && *folder) return folder;
  if (const char* folder = std::getenv("XDG_CACHE_HOME"); folder && *folder) return fs::path(folder) / "osteon";
  if (const char* home = std::getenv("HOME"); home && *home) return fs::path(home) / ".cache" / "osteon";
  return fs::temp_directory_path() / ("osteon-cache-" + std::to_string(::getuid()));
}

}  // namespace osteon
