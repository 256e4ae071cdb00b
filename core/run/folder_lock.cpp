// SPDX-License-Identifier: Apache-2.0
#include "run/folder_lock.hpp"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/error.hpp"

namespace osteon::run {

FolderLock::FolderLock(const std::filesystem::path& folder) {
  std::error_code failure;
  std::filesystem::create_directories(folder, failure);
  if (failure) throw Error(ExitCode::kResources, "cannot create the folder: " + failure.message(), folder.string());
  descriptor_ = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor_ < 0)
    throw Error(ExitCode::kResources, std::string("cannot open the folder: ") + std::strerror(errno), folder.string());
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return;
  ::close(descriptor_);
  throw Error(ExitCode::kUsage, "another process trains in this run folder; let it end, or stop it", folder.string());
}

FolderLock::~FolderLock() { ::close(descriptor_); }

}  // namespace osteon::run
