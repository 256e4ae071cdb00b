// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "support/loss_checks.hpp"

namespace {

using namespace osteon::test;

// The formula of focal.cpp, one pixel at a time.
struct Focal {
  bool batch = false;
  double alpha = 0.25, gamma = 2;
  std::vector<double> class_weight;

  LossUnderTest::Values values() const {
    LossUnderTest::Values values{{"alpha", {alpha}}, {"gamma", {gamma}}};
    if (!class_weight.empty()) values["class_weight"] = class_weight;
    return values;
  }

  double pixel(double x, double t) const {
    const double p = 1 / (1 + std::exp(-x));
    const double entropy = (1 - t) * std::log1p(std::exp(x)) + t * std::log1p(std::exp(-x));
    if (batch) return entropy;
    const double hit = p * t + (1 - p) * (1 - t), factor = alpha < 0 ? 1 : alpha * t + (1 - alpha) * (1 - t);
    return factor * std::pow(1 - hit, gamma) * entropy;
  }

  double operator()(const LossBatch& b, const std::vector<double>& x) const {
    double sum = 0, total = 0;
    for (std::int64_t i = 0; i < b.n; ++i)
      for (std::int64_t c = 0; c < b.k; ++c)
        for (std::int64_t p = 0; p < b.pixels(); ++p) {
          if (!b.knows(i, c) || b.weight(i, p) == 0) continue;
          const double w = b.weight(i, p) * (class_weight.empty() ? 1 : class_weight[static_cast<std::size_t>(c)]);
          sum += b.weight(i) * w * pixel(x[b.at(i, c, p)], b.target(i, c, p));
          total += w;
        }
    const double mean = sum / total;
    return batch ? (alpha < 0 ? 1 : alpha) * std::pow(1 - std::exp(-mean), gamma) * mean : mean;
  }
};

void expect_is(const Focal& focal) {
  SCOPED_TRACE("alpha " + std::to_string(focal.alpha) + ", gamma " + std::to_string(focal.gamma));
  const LossUnderTest::Strings mode{{"mode", focal.batch ? "batch" : "pixel"}};
  const LossUnderTest loss(false, 5, focal.values(), mode);
  expect_keeps_the_rules(loss, LossBatch(2, 5, 37, 41, false, true, 1), focal);
  expect_understands_all(loss, false, LossBatch(2, 5, 19, 13, false, true, 11), focal);
  expect_is_finite_at_extremes(loss, false, 5);
}

TEST(Focal, OfPixelsKeepsTheRulesOfALoss) {
  expect_is({});
  expect_is({false, -1, 0.5, {0.2, 0, 3, 1, 2}});
  expect_is({false, 0.7, 3, {}});
  expect_is({false, 1, 0, {}});
}

TEST(Focal, OfTheBatchKeepsTheRulesOfALoss) {
  expect_is({true, 0.25, 2, {}});
  expect_is({true, -1, 0.5, {0.2, 0, 3, 1, 2}});
  expect_is({true, 0.7, 0, {}});
}

TEST(Focal, KeepsTheRulesOverSeveralRunsAndPlanes) {
  for (const bool batch : {false, true}) {
    const Focal focal{batch, 0.25, 2, {}};
    const LossUnderTest loss(false, 33, {}, {{"mode", batch ? "batch" : "pixel"}});
    expect_matches(loss, LossBatch(1, 33, 67, 71, false, true, 2), focal);
    expect_thread_count_does_not_matter(loss, LossBatch(1, 33, 67, 71, false, true, 2));
  }
}

TEST(Focal, WithoutAFocusIsAlphaTimesBce) {
  LossBatch batch(1, 1, 1, 1, false, false, 3);
  batch.logits = {0};
  EXPECT_NEAR(batch.run(LossUnderTest(false, 1, {{"gamma", {0}}, {"alpha", {-1}}})), std::log(2.0), 1e-7);
}

TEST(Focal, IsTheSeedsFormula) {
  LossBatch batch(1, 1, 1, 2, false, false, 4);
  batch.logits = {0, 0};
  const double mean = std::log(2.0);  // p_t is 1/2
  EXPECT_NEAR(batch.run(LossUnderTest(false, 1, {}, {{"mode", "batch"}})), 0.25 * 0.25 * mean, 1e-7);
}

TEST(Focal, SmallGradientsSurviveFloat16) {
  for (const std::string mode : {"pixel", "batch"})
    expect_small_gradients_survive_float16(LossUnderTest(false, 29, {}, {{"mode", mode}}),
                                           LossBatch(2, 29, 100, 100, false, false, 7));
}

TEST(Focal, ShowsANanOfAValidPixel) {
  for (const std::string mode : {"pixel", "batch"}) {
    LossBatch batch(1, 1, 2, 2, false, false, 8);
    batch.logits[2] = std::nanf("");
    EXPECT_TRUE(std::isnan(batch.run(LossUnderTest(false, 1, {}, {{"mode", mode}}))));
  }
}

TEST(Focal, RefusesMulticlassDataAndSaysWhatToUse) {
  try {
    LossUnderTest(true, 3);
    FAIL();
  } catch (const osteon::sdk::Error& e) {
    EXPECT_EQ(e.status(), OSTEON_UNSUPPORTED);
    EXPECT_NE(std::string(e.what()).find("use cross_entropy"), std::string::npos) << e.what();
  }
}

}  // namespace
