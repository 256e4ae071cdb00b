// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "support/loss_overlap.hpp"

namespace {

using namespace osteon::test;

TEST(Iou, KeepsTheRulesOfOverlaps) {
  expect_keeps_the_rules_of_overlaps([](double both, double probability, double target) {
    return 1 - (both + 0.5) / (probability + target - both + 0.5);
  });
}

TEST(Iou, IsOneMinusIntersectionOverUnion) {
  LossBatch batch(1, 1, 1, 4, false, false, 1);
  batch.logits = {200, 200, -200, -200};
  batch.planes = {1, 0, 1, 0};
  EXPECT_NEAR(batch.run(LossUnderTest(false, 1, {{"smooth", {0}}})), 1 - 1.0 / 3, 1e-7);
}

TEST(Iou, WithoutSmoothingAnAbsentClassIsFinite) {
  LossBatch batch(1, 1, 2, 2, false, false, 2);
  std::fill(batch.planes.begin(), batch.planes.end(), 0u);
  EXPECT_FLOAT_EQ(static_cast<float>(batch.run(LossUnderTest(false, 1, {{"smooth", {0}}}))), 1.0f);
  for (const float g : batch.grad) ASSERT_TRUE(std::isfinite(g));
}

}  // namespace
