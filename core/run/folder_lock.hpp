// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>

namespace osteon::run {

/// A run folder that one process trains in, for as long as this lives; the system lets go of it when the process dies,
/// however it does. Where the file system knows no locks there is none.
class FolderLock {
 public:
  /// Makes the folder if it is not there. Throws Error(kUsage) when another process trains in it.
  explicit FolderLock(const std::filesystem::path& folder);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int descriptor_ = -1;
};

}  // namespace osteon::run
