// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>

namespace osteon::plugin {

/// The bytes of a library file, copied into memory and sealed there: nobody can change them any more, this process
/// included. What is hashed, what is read before code runs, and what the dynamic linker maps are then the same bytes,
/// and replacing the file changes nothing for a process that has loaded it.
class PrivateCopy {
 public:
  /// Throws Error(kPlugin) when the file cannot be read, or is none; Error(kResources) when the system has no memory
  /// for it.
  explicit PrivateCopy(const std::filesystem::path& file);
  ~PrivateCopy();
  PrivateCopy(PrivateCopy&& other) noexcept;
  PrivateCopy& operator=(PrivateCopy&&) = delete;

  /// Lower-case hexadecimal, of the sealed bytes.
  const std::string& sha256() const noexcept { return sha256_; }
  /// A name under which the copy can be opened as long as it lives. It begins with /proc/PID instead of /proc/self, so
  /// that it means the same to a debugger.
  std::filesystem::path path() const;
  /// Keeps the copy open for the life of the process, and its path with it.
  void keep_for_ever() noexcept { descriptor_ = -1; }

 private:
  int descriptor_ = -1;
  std::string sha256_;
};

}  // namespace osteon::plugin
