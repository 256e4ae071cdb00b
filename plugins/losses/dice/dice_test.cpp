// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "support/loss_checks.hpp"

namespace {

using namespace osteon::test;

struct Options {
  double smooth = 1;
  bool squared = false, per_image = true, ignore_empty = false;
  LossUnderTest::Values values() const {
    return {{"smooth", {smooth}},
            {"squared", {squared ? 1.0 : 0.0}},
            {"per_image", {per_image ? 1.0 : 0.0}},
            {"ignore_empty", {ignore_empty ? 1.0 : 0.0}}};
  }
};

double probability(const LossBatch& b, const std::vector<double>& x, std::int64_t i, std::int64_t c, std::int64_t p,
                   bool multiclass) {
  if (!multiclass) return 1 / (1 + std::exp(-x[b.at(i, c, p)]));
  double sum = 0;
  for (std::int64_t other = 0; other < b.k; ++other)
    if (b.knows(i, other)) sum += std::exp(x[b.at(i, other, p)]);
  return std::exp(x[b.at(i, c, p)]) / sum;
}

/// The formula of dice.cpp, one pixel at a time.
ReferenceLoss reference(const Options& o, bool multiclass) {
  return [=](const LossBatch& b, const std::vector<double>& x) {
    double value = 0, count = 0;
    for (std::int64_t first = 0; first < b.n; first += o.per_image ? 1 : b.n)
      for (std::int64_t c = 0; c < b.k; ++c) {
        double overlap = 0, sum = 0, target = 0, weight = 1;
        bool counts = false, has_target = false;
        for (std::int64_t i = first; i < (o.per_image ? first + 1 : b.n); ++i) {
          if (o.per_image) weight = b.weight(i);
          if (!b.knows(i, c)) continue;
          for (std::int64_t p = 0; p < b.pixels(); ++p) {
            const double w = b.weight(i, p) * (o.per_image ? 1 : b.weight(i));
            if (b.weight(i, p) == 0) continue;
            counts = true;
            const double q = probability(b, x, i, c, p, multiclass), t = b.target(i, c, p);
            has_target = has_target || t > 0;
            overlap += w * q * t;
            sum += w * (o.squared ? q * q : q);
            target += w * (o.squared ? t * t : t);
          }
        }
        if (!counts || (o.ignore_empty && !has_target)) continue;
        ++count;
        value += weight * (1 - (2 * overlap + o.smooth) / (sum + target + o.smooth));
      }
    return value / count;
  };
}

class DiceOptions : public ::testing::TestWithParam<std::tuple<bool, bool, bool>> {};

TEST_P(DiceOptions, KeepTheRulesOfALoss) {
  const auto [multiclass, squared, per_image] = GetParam();
  const Options options{0.5, squared, per_image, false};
  const LossUnderTest loss(multiclass, 3, options.values());
  expect_keeps_the_rules(loss, LossBatch(3, 3, 19, 23, multiclass, true, 1), reference(options, multiclass));
  expect_matches(loss, LossBatch(1, 3, 1, 1, multiclass, false, 2), reference(options, multiclass));
}

INSTANTIATE_TEST_SUITE_P(All, DiceOptions, ::testing::Combine(::testing::Bool(), ::testing::Bool(), ::testing::Bool()));

TEST_P(DiceOptions, UnderstandAllThatDataCanSay) {
  const auto [multiclass, squared, per_image] = GetParam();
  for (const bool ignore_empty : {false, true}) {
    const Options options{0.5, squared, per_image, ignore_empty};
    LossBatch batch(3, 5, 11, 13, multiclass, true, 11);
    for (auto& plane : batch.planes)  // class 4 nowhere
      if ((plane & 16u) != 0) plane = multiclass ? 8u : plane & ~16u;
    expect_understands_all(LossUnderTest(multiclass, 5, options.values()), multiclass, batch,
                           reference(options, multiclass));
  }
}

TEST(Dice, UnderstandsAllThatDataCanSayOverSeveralRunsAndPlanes) {
  for (const bool multiclass : {false, true}) {
    // A run is 4096 pixels of a sigmoid, and 448 of a softmax over 35 classes.
    const std::int64_t classes = multiclass ? 35 : 3;
    const LossBatch batch =
        multiclass ? LossBatch(1, 35, 23, 21, true, false, 12) : LossBatch(2, 3, 67, 71, false, false, 12);
    expect_understands_all(LossUnderTest(multiclass, classes), multiclass, batch, reference({}, multiclass));
  }
}

TEST(Dice, AClassThatIsKnownInOneImageOnlyIsThatImages) {
  for (const bool per_image : {false, true}) {
    LossBatch two(2, 3, 8, 8, false, false, 13);
    two.known = {1, 1, 1, 0, 0, 0};
    const LossUnderTest loss(false, 3, {{"per_image", {per_image ? 1.0 : 0.0}}});
    const double value = two.run(loss);
    LossBatch one = two;
    one.n = 1;
    one.known.clear();
    EXPECT_EQ(one.run(loss), value);
  }
}

TEST(Dice, KeepsTheRulesOverSeveralRunsAndPlanes) {
  for (const bool multiclass : {false, true}) {
    const LossUnderTest loss(multiclass, 33);
    // A run is 4096 pixels of a sigmoid, and 448 of a softmax over 33 classes (whose reference takes its time).
    const LossBatch batch =
        multiclass ? LossBatch(1, 33, 23, 21, true, true, 3) : LossBatch(1, 33, 67, 71, false, true, 3);
    expect_keeps_the_rules(loss, batch, reference({}, multiclass));
  }
}

TEST(Dice, IsTheSeedsFormula) {
  LossBatch batch(1, 1, 1, 2, false, false, 4);
  batch.logits = {0, 0};
  batch.planes = {1, 0};
  EXPECT_NEAR(batch.run(LossUnderTest(false, 1)), 1 - (2 * 0.5 + 1) / (1 + 1 + 1.0), 1e-7);
}

TEST(Dice, TakesBit31ForAClass) {
  LossBatch batch(1, 32, 1, 1, false, false, 5);
  batch.logits.assign(32, -200.0f);
  batch.logits[31] = 200.0f;
  batch.planes = {0x80000000u};
  EXPECT_NEAR(batch.run(LossUnderTest(false, 32)), 0, 1e-7);
}

TEST(Dice, IgnoresEmptyClassesWhenAsked) {
  for (const bool per_image : {false, true})
    for (const bool multiclass : {false, true}) {
      LossBatch batch(2, 4, 12, 9, multiclass, true, 6);
      for (auto& plane : batch.planes) plane = plane & 4u ? 1u : plane & 8u ? 8u : 1u;  // classes 1 and 2 nowhere
      for (std::int64_t p = 0; p < batch.pixels(); ++p)
        batch.planes[batch.plane_at(1, 0, p)] = 1u;  // image 1: only class 0
      const Options options{1, false, per_image, true};
      expect_matches(LossUnderTest(multiclass, 4, options.values()), batch, reference(options, multiclass));
    }
}

TEST(Dice, IsZeroWhenEveryClassIsIgnored) {
  LossBatch batch(1, 2, 4, 4, false, false, 7);
  std::fill(batch.planes.begin(), batch.planes.end(), 0u);
  EXPECT_EQ(batch.run(LossUnderTest(false, 2, {{"ignore_empty", {1}}})), 0.0);
  for (const float g : batch.grad) ASSERT_EQ(g, 0.0f);
}

TEST(Dice, DoesNotCountImagesWithoutAValidPixel) {
  LossBatch two(2, 3, 8, 8, false, false, 8);
  two.valid.assign(128, 1);
  std::fill(two.valid.begin() + 64, two.valid.end(), std::uint8_t{0});
  const LossUnderTest loss(false, 3);
  const double value = two.run(loss);
  LossBatch one = two;
  one.n = 1;
  one.valid.clear();
  EXPECT_EQ(one.run(loss), value);
}

TEST(Dice, WithoutSmoothingAnAbsentClassIsFinite) {
  LossBatch batch(1, 1, 2, 2, false, false, 9);
  std::fill(batch.planes.begin(), batch.planes.end(), 0u);
  EXPECT_FLOAT_EQ(static_cast<float>(batch.run(LossUnderTest(false, 1, {{"smooth", {0}}}))), 1.0f);
  for (const float g : batch.grad) ASSERT_TRUE(std::isfinite(g));
}

TEST(Dice, SmallGradientsSurviveFloat16) {
  for (const bool multiclass : {false, true})
    expect_small_gradients_survive_float16(LossUnderTest(multiclass, 29),
                                           LossBatch(2, 29, 200, 200, multiclass, false, 10));
}

}  // namespace
