// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "support/loss_overlap.hpp"

namespace {

using namespace osteon::test;

OverlapFormula dice(double smooth) {
  return [smooth](double both, double probability, double target) {
    return 1 - (2 * both + smooth) / (probability + target + smooth);
  };
}
/// The formula of dice.cpp, one pixel at a time.
ReferenceLoss reference(const OverlapOptions& options, bool multiclass) {
  return overlap_reference(options, multiclass, dice(options.smooth));
}

TEST(Dice, KeepsTheRulesOfOverlaps) { expect_keeps_the_rules_of_overlaps(dice(0.5)); }
TEST(Dice, OfSquaresKeepsTheRulesOfOverlaps) { expect_keeps_the_rules_of_overlaps(dice(0.5), {}, true); }

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
      const OverlapOptions options{1, false, per_image, true, {}};
      expect_matches(LossUnderTest(multiclass, 4, options.values()), batch, reference(options, multiclass));
    }
}

TEST(Dice, IsZeroWhenEveryClassIsIgnored) {
  LossBatch batch(1, 2, 4, 4, false, false, 7);
  std::fill(batch.planes.begin(), batch.planes.end(), 0u);
  EXPECT_EQ(batch.run(LossUnderTest(false, 2, {{"ignore_empty", {1}}})), 0.0);
  for (const float g : batch.grad) ASSERT_EQ(g, 0.0f);
}

TEST(Dice, WeighsClassesInTheMean) {
  LossBatch batch(1, 2, 4, 4, false, false, 15);
  const double first = batch.run(LossUnderTest(false, 2, {{"class_weight", {1, 0}}}));
  const double second = batch.run(LossUnderTest(false, 2, {{"class_weight", {0, 1}}}));
  EXPECT_NEAR(batch.run(LossUnderTest(false, 2, {{"class_weight", {3, 1}}})), (3 * first + second) / 4, 1e-12);
  EXPECT_NEAR(batch.run(LossUnderTest(false, 2, {{"class_weight", {30, 10}}})), (3 * first + second) / 4, 1e-12);
}

TEST(Dice, IsZeroWhereOnlyClassesOfNoWeightAreKnown) {
  LossBatch batch(1, 2, 3, 3, false, false, 14);
  batch.known = {1, 0};
  EXPECT_EQ(batch.run(LossUnderTest(false, 2, {{"class_weight", {0, 1}}})), 0.0);
  for (const float g : batch.grad) ASSERT_EQ(g, 0.0f);
}

TEST(Dice, RefusesWeightsThatDoNotFitTheClasses) {
  for (const std::vector<double>& weights : {std::vector<double>{1, 2}, {0, 0, 0}}) try {
      LossUnderTest(false, 3, {{"class_weight", weights}});
      ADD_FAILURE();
    } catch (const osteon::sdk::Error& e) {
      EXPECT_EQ(e.status(), OSTEON_INVALID_ARGUMENT);
      EXPECT_NE(std::string(e.what()).find("class_weight"), std::string::npos) << e.what();
    }
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
