// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <functional>
#include <tuple>

#include <gtest/gtest.h>

#include "support/loss_overlap.hpp"

namespace {

using namespace osteon::test;

constexpr std::uint32_t kUnderstood = OSTEON_LOSS_PIXEL_WEIGHT | OSTEON_LOSS_CLASS_VALID;

struct Pixel {
  double error;
  bool set;
  double weight;
};

/// The Lovász extension of the Jaccard loss by its definition: what is wrong grows by one pixel at a time.
double extension(std::vector<Pixel> pixels) {
  std::sort(pixels.begin(), pixels.end(), [](const Pixel& a, const Pixel& b) { return a.error > b.error; });
  double of_class = 0, value = 0, before = 0, found = 0, more = 0;
  for (const Pixel& pixel : pixels) of_class += pixel.set ? pixel.weight : 0;
  found = of_class;
  for (const Pixel& pixel : pixels) {
    (pixel.set ? found : more) += pixel.set ? -pixel.weight : pixel.weight;
    const double jaccard = of_class + more > 0 ? 1 - found / (of_class + more) : 0;
    value += std::max(0.0, pixel.error) * (jaccard - before);
    before = jaccard;
  }
  return value;
}

/// The formula of lovasz.cpp, one pixel at a time.
ReferenceLoss reference(bool multiclass, bool per_image, bool ignore_empty = false, std::vector<double> weights = {}) {
  return [=](const LossBatch& b, const std::vector<double>& x) {
    double value = 0, total = 0;
    for (std::int64_t first = 0; first < b.n; first += per_image ? 1 : b.n)
      for (std::int64_t c = 0; c < b.k; ++c) {
        std::vector<Pixel> pixels;
        bool has_target = false;
        for (std::int64_t i = first; i < (per_image ? first + 1 : b.n); ++i)
          for (std::int64_t p = 0; p < b.pixels(); ++p) {
            if (!b.knows(i, c) || b.weight(i, p) == 0) continue;
            const bool set = b.target(i, c, p) != 0;
            has_target = has_target || set;
            const double z = x[b.at(i, c, p)];
            const double error =
                multiclass ? std::abs((set ? 1 : 0) - probability_of(b, x, i, c, p, true)) : 1 - (set ? z : -z);
            pixels.push_back({error, set, b.weight(i, p) * (per_image ? 1 : b.weight(i))});
          }
        if (pixels.empty() || (ignore_empty && !has_target)) continue;
        const double share = weights.empty() ? 1 : weights[static_cast<std::size_t>(c)];
        total += share;
        value += share * (per_image ? b.weight(first) : 1) * extension(pixels);
      }
    return value / total;
  };
}

LossUnderTest::Values values(bool per_image, bool ignore_empty = false, std::vector<double> weights = {}) {
  LossUnderTest::Values all{{"per_image", {per_image ? 1.0 : 0.0}}, {"ignore_empty", {ignore_empty ? 1.0 : 0.0}}};
  if (!weights.empty()) all["class_weight"] = weights;
  return all;
}

class LovaszOptions : public ::testing::TestWithParam<std::tuple<bool, bool>> {};

// Few pixels, whose errors differ by more than the step of finite differences: where two change places there is a kink.
TEST_P(LovaszOptions, KeepTheRulesOfALoss) {
  const auto [multiclass, per_image] = GetParam();
  const LossUnderTest loss(multiclass, 3, values(per_image));
  expect_keeps_the_rules(loss, LossBatch(2, 3, 7, 8, multiclass, true, 1), reference(multiclass, per_image));
  LossBatch one(1, 3, 1, 1, multiclass, false, 2);
  one.logits = {0.5f, -0.25f,
                0.75f};  // where a softmax is sure its derivatives are differences of nearly equal numbers
  expect_matches(loss, one, reference(multiclass, per_image));
  expect_is_finite_at_extremes(loss, multiclass, 3);
}

TEST_P(LovaszOptions, UnderstandAllButSoftTargets) {
  const auto [multiclass, per_image] = GetParam();
  const std::vector<double> weights{1, 0.25, 0, 2, 3};
  expect_understands_all(LossUnderTest(multiclass, 5, values(per_image, true, weights)), multiclass,
                         without_class(LossBatch(3, 5, 4, 9, multiclass, true, 11), 4, multiclass),
                         reference(multiclass, per_image, true, weights), kUnderstood);
}

TEST_P(LovaszOptions, MatchOverSeveralRunsAndPlanes) {
  const auto [multiclass, per_image] = GetParam();
  const LossUnderTest loss(multiclass, 33, values(per_image));
  LossBatch batch(2, 33, 67, 71, multiclass, true, 3);
  const double expected = reference(multiclass, per_image)(batch, as_double(batch.logits));
  EXPECT_NEAR(batch.run(loss), expected, 1e-6 * expected);
  expect_thread_count_does_not_matter(loss, batch);
  expect_accumulates(loss, batch);
}

INSTANTIATE_TEST_SUITE_P(All, LovaszOptions, ::testing::Combine(::testing::Bool(), ::testing::Bool()));

TEST(Lovasz, OfPixelsThatAreWrongForSureIsTheirJaccardLoss) {
  LossBatch batch(1, 2, 1, 4, true, false, 4);
  batch.planes = {1, 1, 2, 2};
  batch.logits = {200, -200, 200, -200, -200, 200, -200, 200};  // pixels 1 and 2 are wrong
  EXPECT_NEAR(batch.run(LossUnderTest(true, 2)), 1 - 1.0 / 3, 1e-6);
}

TEST(Lovasz, OfAnAbsentClassIsItsGreatestError) {
  LossBatch batch(1, 1, 1, 3, false, false, 5);
  batch.planes = {0, 0, 0};
  batch.logits = {-3, 0.5f, 2};
  EXPECT_NEAR(batch.run(LossUnderTest(false, 1)), 3, 1e-6);
  EXPECT_EQ(batch.grad, (std::vector<float>{0, 0, 1}));
  EXPECT_EQ(batch.run(LossUnderTest(false, 1, values(true, true))), 0);
}

TEST(Lovasz, LeavesPixelsAloneThatAreRightByAMargin) {
  LossBatch batch(1, 1, 1, 3, false, false, 6);
  batch.planes = {1, 0, 1};
  batch.logits = {1.5f, -1.5f, -1};
  EXPECT_NEAR(batch.run(LossUnderTest(false, 1)), 2 * 0.5, 1e-6);
  EXPECT_EQ(batch.grad, (std::vector<float>{0, 0, -0.5f}));
}

TEST(Lovasz, SmallGradientsSurviveFloat16) {
  for (const bool multiclass : {false, true})
    expect_small_gradients_survive_float16(LossUnderTest(multiclass, 29),
                                           LossBatch(2, 29, 150, 150, multiclass, false, 7));
}

TEST(Lovasz, ShowsANanOfAValidPixel) {
  for (const bool multiclass : {false, true})
    for (const float nan : {std::nanf(""), -std::nanf("")}) {
      LossBatch batch(1, 2, 2, 2, multiclass, false, 8);
      batch.logits[2] = nan;
      EXPECT_TRUE(std::isnan(batch.run(LossUnderTest(multiclass, 2))));
    }
}

TEST(Lovasz, RefusesSoftTargetsAndSaysWhatToUse) {
  try {
    LossBatch(1, 3, 4, 4, false, false, 9).with(OSTEON_LOSS_SOFT_TARGET, false, 3).run(LossUnderTest(false, 3));
    FAIL();
  } catch (const osteon::sdk::Error& e) {
    EXPECT_EQ(e.status(), OSTEON_UNSUPPORTED);
    EXPECT_NE(std::string(e.what()).find("use iou or dice"), std::string::npos) << e.what();
  }
}

}  // namespace
