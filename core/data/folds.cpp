// SPDX-License-Identifier: Apache-2.0
#include "data/folds.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include <osteon/sdk/random.hpp>

#include "base/error.hpp"

namespace osteon::data {

std::vector<int> assign_folds(const std::vector<std::string>& groups, int folds, std::int64_t seed) {
  if (folds < 2) throw Error(ExitCode::kUsage, "folds must be 2 or more, not " + std::to_string(folds));
  std::map<std::string, int> sizes;
  for (const std::string& group : groups) ++sizes[group];
  if (sizes.size() < static_cast<std::size_t>(folds))
    throw Error(ExitCode::kData, std::to_string(folds) + " folds need at least as many patients, and there are " +
                                     std::to_string(sizes.size()) + "; use fewer folds or more data");

  std::vector<std::pair<std::string, int>> order(sizes.begin(), sizes.end());
  // By hand, because std::shuffle differs between libraries.
  sdk::Random random(static_cast<std::uint64_t>(seed), 0);
  for (std::size_t i = order.size() - 1; i > 0; --i)
    std::swap(order[i], order[random.below(static_cast<std::uint32_t>(i + 1))]);
  std::stable_sort(order.begin(), order.end(), [](const auto& a, const auto& b) { return a.second > b.second; });

  std::vector<int> load(static_cast<std::size_t>(folds));
  std::map<std::string, int> fold_of_group;
  for (const auto& [group, size] : order) {
    const auto lightest = std::min_element(load.begin(), load.end());
    *lightest += size;
    fold_of_group[group] = static_cast<int>(lightest - load.begin());
  }

  std::vector<int> result;
  result.reserve(groups.size());
  for (const std::string& group : groups) result.push_back(fold_of_group.at(group));
  return result;
}

Split split_fold(const std::vector<int>& fold_of_sample, int fold) {
  Split split;
  for (std::size_t i = 0; i < fold_of_sample.size(); ++i)
    (fold_of_sample[i] == fold ? split.validation : split.train).push_back(static_cast<int>(i));
  if (split.validation.empty())
    throw Error(ExitCode::kUsage, "fold " + std::to_string(fold) + " does not exist: folds are counted from 0");
  return split;
}

}  // namespace osteon::data
