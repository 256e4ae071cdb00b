// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "support/loss_checks.hpp"

namespace {

using namespace osteon::test;

/// The formula of bce.cpp, one pixel at a time.
double reference(const LossBatch& b, const std::vector<double>& x, std::vector<double> positive,
                 std::vector<double> weight, double smoothing) {
  positive.resize(static_cast<std::size_t>(b.k), 1);
  weight.resize(static_cast<std::size_t>(b.k), 1);
  double sum = 0, total = 0;
  for (std::int64_t i = 0; i < b.n; ++i)
    for (std::int64_t c = 0; c < b.k; ++c) {
      if (!b.knows(i, c)) continue;
      const auto at = static_cast<std::size_t>(c);
      for (std::int64_t p = 0; p < b.pixels(); ++p) {
        const double w = weight[at] * b.weight(i, p);
        if (b.weight(i, p) == 0) continue;
        const double t = b.target(i, c, p) * (1 - smoothing) + smoothing / 2, z = x[b.at(i, c, p)];
        sum += b.weight(i) * w * ((1 - t) * std::log1p(std::exp(z)) + positive[at] * t * std::log1p(std::exp(-z)));
        total += w;
      }
    }
  return sum / total;
}

ReferenceLoss plain() {
  return [](const LossBatch& b, const std::vector<double>& x) { return reference(b, x, {}, {}, 0); };
}

TEST(Bce, KeepsTheRulesOfALoss) {
  expect_keeps_the_rules(LossUnderTest(false, 3), LossBatch(2, 3, 37, 41, false, true, 1), plain());
}

TEST(Bce, KeepsTheRulesOverSeveralRunsAndPlanes) {
  expect_keeps_the_rules(LossUnderTest(false, 33), LossBatch(1, 33, 67, 71, false, true, 2), plain());
}

TEST(Bce, UnderstandsAllThatDataCanSay) {
  expect_understands_all(LossUnderTest(false, 5), false, LossBatch(2, 5, 37, 41, false, true, 11), plain());
  expect_understands_all(LossUnderTest(false, 3), false, LossBatch(2, 3, 67, 71, false, false, 12), plain());
  expect_understands_all(LossUnderTest(false, 35), false, LossBatch(1, 35, 9, 7, false, false, 12), plain());
  const std::vector<double> positive{1, 4, 0.5, 2}, weight{0.2, 0, 3, 1};
  const LossUnderTest loss(false, 4, {{"pos_weight", positive}, {"class_weight", weight}, {"label_smoothing", {0.1}}});
  expect_understands_all(
      loss, false, LossBatch(2, 4, 9, 5, false, true, 13),
      [&](const LossBatch& b, const std::vector<double>& x) { return reference(b, x, positive, weight, 0.1); });
}

TEST(Bce, IsZeroWhereOnlyClassesOfNoWeightAreKnown) {
  LossBatch batch(1, 2, 3, 3, false, false, 14);
  batch.known = {1, 0};
  EXPECT_EQ(batch.run(LossUnderTest(false, 2, {{"class_weight", {0, 1}}})), 0.0);
  for (const float g : batch.grad) ASSERT_EQ(g, 0.0f);
}

TEST(Bce, MatchesForOnePixelAndOneClass) {
  expect_matches(LossUnderTest(false, 1), LossBatch(1, 1, 1, 1, false, false, 3), plain());
}

TEST(Bce, TakesBit31ForAClass) {
  LossBatch batch(1, 32, 1, 1, false, false, 4);
  batch.logits.assign(32, 0.0f);
  batch.planes = {0x80000000u};
  EXPECT_NEAR(batch.run(LossUnderTest(false, 32)), std::log(2.0), 1e-7);
  EXPECT_FLOAT_EQ(batch.grad[31], -0.5f / 32);
  EXPECT_FLOAT_EQ(batch.grad[30], 0.5f / 32);
}

TEST(Bce, PositiveWeightClassWeightAndSmoothingMatch) {
  const std::vector<double> positive{1, 4, 0.5}, weight{0.2, 0, 3};
  const LossUnderTest loss(false, 3, {{"pos_weight", positive}, {"class_weight", weight}, {"label_smoothing", {0.1}}});
  expect_matches(loss, LossBatch(2, 3, 9, 5, false, true, 5), [&](const LossBatch& b, const std::vector<double>& x) {
    return reference(b, x, positive, weight, 0.1);
  });
}

TEST(Bce, IsAccurateForConfidentLogits) {
  LossBatch batch(1, 2, 1, 2, false, false, 6);
  batch.logits = {20, -20, 80, -80};
  batch.planes = {1, 2};  // class 0 at pixel 0 and class 1 at pixel 1: right, right, wrong, wrong
  EXPECT_NEAR(batch.run(LossUnderTest(false, 2)), (2 * std::log1p(std::exp(-20.0)) + 160) / 4, 1e-5);
  EXPECT_NEAR(batch.grad[0], -0.25 / (1 + std::exp(20.0)), 1e-16);
  EXPECT_NEAR(batch.grad[1], 0.25 / (1 + std::exp(20.0)), 1e-16);
  EXPECT_FLOAT_EQ(batch.grad[2], 0.25f);
  EXPECT_FLOAT_EQ(batch.grad[3], -0.25f);
}

TEST(Bce, GradientsOf8e9SurviveFloat16) {
  expect_small_gradients_survive_float16(LossUnderTest(false, 29), LossBatch(2, 29, 200, 200, false, false, 7));
}

TEST(Bce, ShowsANanOfAValidPixel) {
  LossBatch batch(1, 1, 2, 2, false, false, 8);
  batch.logits[2] = std::nanf("");
  EXPECT_TRUE(std::isnan(batch.run(LossUnderTest(false, 1))));
}

TEST(Bce, RefusesMulticlassData) {
  try {
    LossUnderTest(true, 3);
    FAIL();
  } catch (const osteon::sdk::Error& e) {
    EXPECT_EQ(e.status(), OSTEON_UNSUPPORTED);
    EXPECT_NE(std::string(e.what()).find("cross_entropy"), std::string::npos) << e.what();
  }
}

TEST(Bce, RefusesListsThatDoNotFitTheClasses) {
  try {
    LossUnderTest(false, 3, {{"pos_weight", {1, 2}}});
    FAIL();
  } catch (const osteon::sdk::Error& e) {
    EXPECT_EQ(e.status(), OSTEON_INVALID_ARGUMENT);
    EXPECT_NE(std::string(e.what()).find("2 elements, the data has 3 classes"), std::string::npos) << e.what();
  }
  EXPECT_THROW(LossUnderTest(false, 2, {{"class_weight", {0, 0}}}), osteon::sdk::Error);
}

TEST(Bce, StopsWhenTheCallIsCancelled) {
  LossBatch batch(1, 1, 2, 2, false, false, 9);
  const LossUnderTest loss(false, 1);
  TestCall call;
  call.cancel = true;
  const osteon::sdk::BorrowedTensor x(batch.logits.data(), {1, 1, 2, 2});
  const osteon::sdk::BorrowedTensor t(batch.planes.data(), osteon::sdk::dtype_of<std::int32_t>(), {1, 1, 2, 2});
  auto input = osteon::sdk::sized<osteon_loss_input>();
  input.logits = x;
  input.target = t;
  input.grad_scale = 1;
  try {
    loss.evaluate(input, call);
    FAIL();
  } catch (const osteon::sdk::Error& e) {
    EXPECT_EQ(e.status(), OSTEON_CANCELLED);
  }
}

}  // namespace
