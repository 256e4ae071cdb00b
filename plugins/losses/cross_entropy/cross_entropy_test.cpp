// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "support/loss_checks.hpp"

namespace {

using namespace osteon::test;

/// The formula of cross_entropy.cpp, one pixel at a time.
ReferenceLoss reference(std::vector<double> weight = {}, double smoothing = 0) {
  return [=](const LossBatch& b, const std::vector<double>& x) {
    double sum = 0, total = 0;
    for (std::int64_t i = 0; i < b.n; ++i)
      for (std::int64_t p = 0; p < b.pixels(); ++p) {
        if (b.weight(i, p) == 0) continue;
        double partition = 0, known = 0, share = 0;
        for (std::int64_t c = 0; c < b.k; ++c) {
          if (!b.knows(i, c)) continue;
          partition += std::exp(x[b.at(i, c, p)]);
          share += b.target(i, c, p);
          ++known;
        }
        for (std::int64_t c = 0; c < b.k; ++c) {
          if (!b.knows(i, c)) continue;
          const double w = b.weight(i, p) * (weight.empty() ? 1 : weight[static_cast<std::size_t>(c)]);
          const double q = (1 - smoothing) * b.target(i, c, p) + smoothing * share / known;
          sum -= b.weight(i) * w * q * (x[b.at(i, c, p)] - std::log(partition));
          total += w * b.target(i, c, p);
        }
      }
    return sum / total;
  };
}

TEST(CrossEntropy, KeepsTheRulesOfALoss) {
  expect_keeps_the_rules(LossUnderTest(true, 3), LossBatch(2, 3, 37, 41, true, true, 1), reference());
}

TEST(CrossEntropy, KeepsTheRulesOverSeveralRunsAndPlanes) {
  expect_keeps_the_rules(LossUnderTest(true, 65), LossBatch(2, 65, 37, 41, true, true, 2), reference());
}

TEST(CrossEntropy, ClassWeightAndSmoothingMatch) {
  const std::vector<double> weight{0.5, 0, 2, 1};
  const LossUnderTest loss(true, 4, {{"class_weight", weight}, {"label_smoothing", {0.1}}});
  expect_matches(loss, LossBatch(2, 4, 11, 13, true, true, 3), reference(weight, 0.1));
}

TEST(CrossEntropy, UnderstandsAllThatDataCanSay) {
  expect_understands_all(LossUnderTest(true, 5), true, LossBatch(2, 5, 37, 41, true, true, 11), reference());
  expect_understands_all(LossUnderTest(true, 35), true, LossBatch(2, 35, 23, 21, true, false, 12), reference());
  const std::vector<double> weight{0.5, 0, 2, 1};
  const LossUnderTest loss(true, 4, {{"class_weight", weight}, {"label_smoothing", {0.1}}});
  expect_understands_all(loss, true, LossBatch(2, 4, 11, 13, true, true, 13), reference(weight, 0.1));
}

TEST(CrossEntropy, APixelOfAnUnknownClassCountsNothing) {
  LossBatch two(1, 3, 1, 2, true, false, 14);
  two.planes = {1u, 2u};
  two.known = {1, 0, 1};
  const LossUnderTest loss(true, 3);
  const double value = two.run(loss);
  const double x = two.logits[0], z = two.logits[4];  // classes 0 and 2 of the first pixel
  EXPECT_NEAR(value, std::log(1 + std::exp(z - x)), 1e-6);
  for (const std::size_t at : {1u, 2u, 3u, 5u}) EXPECT_EQ(two.grad[at], 0.0f) << at;
}

TEST(CrossEntropy, NamesAPixelWhoseTargetsDoNotAddUpToOne) {
  LossBatch batch = LossBatch(1, 3, 2, 2, true, false, 15).with(OSTEON_LOSS_SOFT_TARGET, true, 1);
  batch.soft[batch.at(0, 1, 3)] += 0.5f;
  try {
    batch.run(LossUnderTest(true, 3));
    FAIL();
  } catch (const osteon::sdk::Error& e) {
    EXPECT_EQ(e.status(), OSTEON_INVALID_ARGUMENT);
    EXPECT_NE(std::string(e.what()).find("(x 1, y 1) of image 0"), std::string::npos) << e.what();
    EXPECT_NE(std::string(e.what()).find("1.5"), std::string::npos) << e.what();
  }
  batch.pixel_weight = {1, 1, 1, 0};  // a pixel that counts nothing is not looked at
  EXPECT_NO_THROW(batch.run(LossUnderTest(true, 3)));
}

TEST(CrossEntropy, OfEqualLogitsIsTheLogarithmOfTheClasses) {
  LossBatch batch(1, 32, 1, 1, true, false, 4);
  batch.logits.assign(32, 5.0f);
  batch.planes = {0x80000000u};
  EXPECT_NEAR(batch.run(LossUnderTest(true, 32)), std::log(32.0), 1e-6);
  EXPECT_NEAR(batch.grad[31], 1.0 / 32 - 1, 1e-6);
  EXPECT_NEAR(batch.grad[0], 1.0 / 32, 1e-7);
}

TEST(CrossEntropy, IsFiniteForHugeLogits) {
  LossBatch batch(1, 2, 1, 1, true, false, 5);
  batch.logits = {3e4f, -3e4f};
  batch.planes = {2};
  EXPECT_NEAR(batch.run(LossUnderTest(true, 2)), 6e4, 1);
  EXPECT_FLOAT_EQ(batch.grad[0], 1.0f);
}

TEST(CrossEntropy, SmallGradientsSurviveFloat16) {
  expect_small_gradients_survive_float16(LossUnderTest(true, 29), LossBatch(2, 29, 200, 200, true, false, 6));
}

TEST(CrossEntropy, NamesAPixelThatHasNotExactlyOneClass) {
  for (const std::uint32_t bits : {0u, 3u}) {
    LossBatch batch(2, 3, 5, 7, true, false, 7);
    batch.planes[batch.plane_at(1, 0, 2 * 7 + 4)] = bits;
    try {
      batch.run(LossUnderTest(true, 3));
      FAIL();
    } catch (const osteon::sdk::Error& e) {
      EXPECT_EQ(e.status(), OSTEON_INVALID_ARGUMENT);
      EXPECT_NE(std::string(e.what()).find("(x 4, y 2) of image 1"), std::string::npos) << e.what();
    }
  }
}

TEST(CrossEntropy, RefusesMultilabelData) { EXPECT_THROW(LossUnderTest(false, 3), osteon::sdk::Error); }

TEST(CrossEntropy, RefusesAWeightListThatDoesNotFit) {
  EXPECT_THROW(LossUnderTest(true, 3, {{"class_weight", {1}}}), osteon::sdk::Error);
}

}  // namespace
