// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "support/loss_overlap.hpp"

namespace {

using namespace osteon::test;

constexpr double kSmooth = 0.5;

OverlapFormula tversky(double alpha, double beta, double gamma) {
  return [=](double both, double probability, double target) {
    const double over = probability - both, missed = target - both;
    return std::pow(1 - (both + kSmooth) / (both + alpha * over + beta * missed + kSmooth), 1 / gamma);
  };
}

TEST(Tversky, KeepsTheRulesOfOverlaps) { expect_keeps_the_rules_of_overlaps(tversky(0.3, 0.7, 1)); }

TEST(Tversky, WithAFocusKeepsTheRulesOfOverlaps) {
  expect_keeps_the_rules_of_overlaps(tversky(0.8, 0.1, 4.0 / 3),
                                     {{"alpha", {0.8}}, {"beta", {0.1}}, {"gamma", {4.0 / 3}}});
}

TEST(Tversky, OfHalvesIsDice) {
  LossBatch batch(1, 1, 1, 2, false, false, 1);
  batch.logits = {0, 0};
  batch.planes = {1, 0};
  // I is 0.5, P and T are 1.
  EXPECT_NEAR(batch.run(LossUnderTest(false, 1, {{"alpha", {0.5}}, {"beta", {0.5}}})), 1 - (0.5 + 1) / (1 + 1.0), 1e-7);
}

TEST(Tversky, HasNoGradientWhereNothingIsWrong) {
  LossBatch batch(1, 1, 2, 2, false, false, 2);
  batch.logits = {200, -200, 200, -200};
  batch.planes = {1, 0, 1, 0};
  for (const double gamma : {0.1, 0.75, 4.0, 10.0}) {
    EXPECT_NEAR(batch.run(LossUnderTest(false, 1, {{"gamma", {gamma}}})), 0, 1e-3) << gamma;
    for (const float g : batch.grad) ASSERT_NEAR(g, 0, 1e-4) << gamma;
  }
}

TEST(Tversky, IsFiniteWithoutSmoothingAndWithoutWeights) {
  for (const double alpha : {0.0, 1.0})
    for (const double beta : {0.0, 1.0})
      for (const double gamma : {1.0, 4.0}) {
        const LossUnderTest loss(false, 3, {{"alpha", {alpha}}, {"beta", {beta}}, {"gamma", {gamma}}, {"smooth", {0}}});
        expect_is_finite_at_extremes(loss, false, 3);
      }
}

}  // namespace
