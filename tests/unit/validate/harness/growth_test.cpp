// SPDX-License-Identifier: Apache-2.0
#include "validate/harness/growth.hpp"

#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include "validate/check.hpp"

namespace osteon::validate {
namespace {

std::vector<std::unique_ptr<char[]>>& kept() {
  static std::vector<std::unique_ptr<char[]>> all;
  return all;
}

TEST(ExpectNoGrowth, TakesWhatComesBack) {
  EXPECT_NO_THROW(expect_no_growth("work", [] { std::make_unique<char[]>(100000); }));
}

TEST(ExpectNoGrowth, FindsALeakOfAFewBytesInFewRounds) {
  kept().reserve(1000);
  EXPECT_THROW(expect_no_growth(
                   "work", [] { kept().push_back(std::make_unique<char[]>(100)); }, 8),
               Failure);
}

TEST(ExpectNoGrowth, TakesWhatFillsUpOnce) {
  kept().clear();
  kept().reserve(1000);
  int rounds = 0;
  EXPECT_NO_THROW(expect_no_growth("work", [&] {
    if (++rounds < 100) kept().push_back(std::make_unique<char[]>(5000));
  }));
}

// As where a plan is still being measured when the first calls are over.
TEST(ExpectNoGrowth, TakesWhatFillsUpLate) {
  kept().clear();
  kept().reserve(1000);
  int rounds = 0;
  EXPECT_NO_THROW(expect_no_growth(
      "work",
      [&] {
        if (++rounds < 50) kept().push_back(std::make_unique<char[]>(500));
      },
      8));
}

TEST(RoundsFor, AreFewerTheMoreEachCosts) {
  EXPECT_EQ(rounds_for(0), 200);
  EXPECT_EQ(rounds_for(std::int64_t{1} << 22), 20);
  EXPECT_EQ(rounds_for(std::int64_t{1} << 30), 8);
}

}  // namespace
}  // namespace osteon::validate
