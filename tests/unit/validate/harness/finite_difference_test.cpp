// SPDX-License-Identifier: Apache-2.0
#include "validate/harness/finite_difference.hpp"

#include <cmath>

#include <gtest/gtest.h>

namespace osteon::validate {
namespace {

SlopeVerdict verdict(double claimed, double (*function)(double), double noise = 0) {
  std::string detail;
  const Slope slope{claimed, std::abs(claimed), noise};
  return compare_slope(slope, function, &detail);
}

TEST(FiniteDifference, AgreesWithTheDerivativeOfASmoothFunction) {
  EXPECT_EQ(verdict(1, [](double x) { return std::sin(x) + 7; }), SlopeVerdict::kAgrees);
}

TEST(FiniteDifference, RefusesAClaimThatIsATenthOff) {
  EXPECT_EQ(verdict(1.1, [](double x) { return std::sin(x); }), SlopeVerdict::kDiffers);
  EXPECT_EQ(verdict(-1, [](double x) { return std::sin(x); }), SlopeVerdict::kDiffers);
}

TEST(FiniteDifference, RefusesAClaimOfZeroWhereThereIsASlope) {
  EXPECT_EQ(verdict(0, [](double x) { return 3 * x; }), SlopeVerdict::kDiffers);
}

TEST(FiniteDifference, FindsASmallerStepWhereTheFirstRunsOverKinks) {
  EXPECT_EQ(verdict(1, [](double x) { return x > 1e-4 ? 1e-4 + 5 * (x - 1e-4) : x; }), SlopeVerdict::kAgrees);
}

TEST(FiniteDifference, SaysNothingWhereStepsDoNotSettle) {
  // As steep as one likes near 0: every step measures twice what the one before it did.
  EXPECT_EQ(verdict(100, [](double x) { return std::copysign(std::sqrt(std::abs(x)), x); }), SlopeVerdict::kUnsettled);
}

TEST(FiniteDifference, TakesNoStepThatDrownsInRounding) {
  // Rounded to 1e-4: a step of 1e-3 is coarse, and all smaller ones measure noise.
  const auto rounded = [](double x) { return std::round(2e4 * x) / 1e4; };
  EXPECT_EQ(verdict(2, rounded, 1e-4), SlopeVerdict::kAgrees);
  EXPECT_NE(verdict(3, rounded, 1e-4), SlopeVerdict::kAgrees);
}

}  // namespace
}  // namespace osteon::validate
