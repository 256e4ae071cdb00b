// SPDX-License-Identifier: Apache-2.0
#include "data/folds.hpp"

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include <gtest/gtest.h>

#include "base/error.hpp"

namespace osteon::data {
namespace {

std::vector<std::string> random_groups(unsigned seed, int patients, int most) {
  std::mt19937 random(seed);
  std::vector<std::string> groups;
  for (int p = 0; p < patients; ++p)
    for (unsigned i = 0; i <= random() % static_cast<unsigned>(most); ++i) groups.push_back("ID" + std::to_string(p));
  std::shuffle(groups.begin(), groups.end(), random);
  return groups;
}

TEST(Folds, NeverPartAPatientAndStayBalanced) {
  for (unsigned trial = 0; trial < 50; ++trial) {
    const int folds = 2 + static_cast<int>(trial % 7);
    const auto groups = random_groups(trial, folds + static_cast<int>(trial), 1 + static_cast<int>(trial % 5));
    const auto fold_of = assign_folds(groups, folds, 21);
    std::map<std::string, std::set<int>> folds_of_group;
    std::map<std::string, int> sizes;
    std::vector<int> load(static_cast<std::size_t>(folds));
    for (std::size_t i = 0; i < groups.size(); ++i) {
      ASSERT_GE(fold_of[i], 0);
      ASSERT_LT(fold_of[i], folds);
      folds_of_group[groups[i]].insert(fold_of[i]);
      ++sizes[groups[i]];
      ++load[static_cast<std::size_t>(fold_of[i])];
    }
    int largest = 0;
    for (const auto& [group, found] : folds_of_group) {
      EXPECT_EQ(found.size(), 1u) << group;
      largest = std::max(largest, sizes[group]);
    }
    const auto [least, most] = std::minmax_element(load.begin(), load.end());
    EXPECT_GT(*least, 0);
    EXPECT_LE(*most - *least, largest);
  }
}

TEST(Folds, GivesTheCompetitionEqualFolds) {
  std::vector<std::string> groups;
  for (int p = 0; p < 400; ++p) groups.insert(groups.end(), 2, "ID" + std::to_string(p));
  const auto fold_of = assign_folds(groups, 5, 21);
  for (int fold = 0; fold < 5; ++fold) {
    const Split split = split_fold(fold_of, fold);
    EXPECT_EQ(split.validation.size(), 160u);
    EXPECT_EQ(split.train.size(), 640u);
    std::vector<int> all = split.train;
    all.insert(all.end(), split.validation.begin(), split.validation.end());
    std::sort(all.begin(), all.end());
    for (int i = 0; i < 800; ++i) ASSERT_EQ(all[static_cast<std::size_t>(i)], i);
  }
}

TEST(Folds, DependOnSeedAndGroupsButNotOnTheOrderOfSamples) {
  const auto groups = random_groups(1, 40, 3);
  const auto fold_of = assign_folds(groups, 5, 7);
  EXPECT_EQ(assign_folds(groups, 5, 7), fold_of);
  EXPECT_NE(assign_folds(groups, 5, 8), fold_of);
  std::vector<std::string> reversed(groups.rbegin(), groups.rend());
  auto reversed_folds = assign_folds(reversed, 5, 7);
  std::reverse(reversed_folds.begin(), reversed_folds.end());
  EXPECT_EQ(reversed_folds, fold_of);
}

TEST(Folds, RefusesWhatCannotBeSplit) {
  EXPECT_THROW(assign_folds({"a", "a", "b"}, 3, 1), Error);
  EXPECT_THROW(assign_folds({"a", "b"}, 1, 1), Error);
  EXPECT_THROW(assign_folds({}, 2, 1), Error);
  EXPECT_EQ(assign_folds({"a", "b"}, 2, 1).size(), 2u);
  EXPECT_THROW(split_fold({0, 1, 0}, 2), Error);
}

}  // namespace
}  // namespace osteon::data
