// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace osteon::data {

/// Assigns a fold, 0 to `folds` - 1, to each sample so that all samples of a group (a patient: both hands) share one.
///
/// The groups, ordered by name, are shuffled by `seed`, sorted by falling size (the shuffle orders equals), and each
/// goes to the fold with the fewest samples so far, the first of equals. So folds differ by at most the size of the
/// largest group, and the result depends on seed and groups alone: not on the order of the samples, the machine or the
/// library.
///
/// @param groups  the group of each sample
/// @param folds   2 or more. Throws Error(kUsage) if fewer, Error(kData) if there are fewer groups than folds.
std::vector<int> assign_folds(const std::vector<std::string>& groups, int folds, std::int64_t seed);

/// Indices of samples, ascending.
struct Split {
  std::vector<int> train;
  std::vector<int> validation;
};

/// The samples of fold `fold` validate, the others train. Throws Error(kUsage) if no sample has that fold.
Split split_fold(const std::vector<int>& fold_of_sample, int fold);

}  // namespace osteon::data
