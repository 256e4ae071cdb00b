// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include <nlohmann/json.hpp>

#include "engine/engine.hpp"
#include "run/folder_lock.hpp"
#include "run/run_folder.hpp"

namespace osteon::engine {

/// Where a request to train leads: a run that begins, one that goes on, or one at which there is nothing to do.
///
/// Nothing in the folder is touched before begin(), so that what is refused until then costs nothing and leaves
/// nothing.
class RunStart {
 public:
  /// Throws Error(kUsage) when the folder is somebody's, or the run there is not to be replaced or cannot go on like
  /// this; Error(kData) when there is none to go on with.
  RunStart(const TrainRequest& request, const Context& context);

  /// There is a checkpoint to go on from.
  bool resumes() const noexcept { return resumes_; }
  /// The run is done, and nothing of its recipe is to change.
  bool is_done() const noexcept { return done_ && !changes_recipe_; }
  const run::RunFolder& folder() const noexcept { return folder_; }

  /// Locks the folder and writes what the run is now. Returns the record, whose session has begun.
  nlohmann::json begin();

 private:
  void compare();

  const TrainRequest& request_;
  const Context& context_;
  run::RunFolder folder_;
  std::optional<run::FolderLock> lock_;
  bool resumes_ = false, done_ = false, changes_recipe_ = false;
};

}  // namespace osteon::engine
