// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <filesystem>
#include <string_view>

namespace osteon::weights {

/// A file, mapped into memory for reading: what is not touched is not read from disk. The file must not be cut short
/// while it is open (files that we write are replaced, never changed). [any-thread]
class MappedFile {
 public:
  /// Throws Error(kData) when the file cannot be opened or is not a regular one.
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const std::filesystem::path& path() const noexcept { return path_; }
  std::string_view bytes() const noexcept { return {static_cast<const char*>(mapping_), size_}; }

 private:
  std::filesystem::path path_;
  void* mapping_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace osteon::weights
