// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "recipe/recipe.hpp"

namespace osteon::run {

/// A key on which a run's own recipe and the one that it is to go on with do not agree; values as TOML, empty where the
/// key is not there.
struct Change {
  std::string key;
  std::string was, is;
};

/// Of every value. Copies of files that a run keeps are the same as what they were copied from while their bytes are.
std::vector<Change> changes_between(const recipe::Recipe& own, const recipe::Recipe& wanted);

/// Throws Error(kUsage) unless a run may go on with all of them: train.epochs, batch_size, accumulate, optimizer.lr,
/// device, validate_every and checkpoint_every, data.workers, prefetch and cache_mb, and predict.
void expect_may_change(const std::vector<Change>& changes, const std::filesystem::path& run);

}  // namespace osteon::run
