// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include <gtest/gtest.h>

#include "support/loss_checks.hpp"

namespace {

using namespace osteon::test;

struct Image {
  std::int64_t h, w;
  std::vector<double> p, t, weight;
};

/// The mean over places of one scale, by its definition: every window on its own, without separable sums.
double mean_of(const Image& image, bool last) {
  const std::int64_t taps = std::min<std::int64_t>({11, image.h, image.w});
  const double c1 = 0.01 * 0.01, c2 = 0.03 * 0.03, middle = static_cast<double>(taps - 1) / 2;
  std::vector<double> gauss;
  double norm = 0;
  for (std::int64_t i = 0; i < taps; ++i) {
    gauss.push_back(std::exp(-std::pow((static_cast<double>(i) - middle) / 1.5, 2) / 2));
    norm += gauss.back();
  }
  double sum = 0, total = 0;
  for (std::int64_t y = 0; y + taps <= image.h; ++y)
    for (std::int64_t x = 0; x + taps <= image.w; ++x) {
      double mass = 0, p = 0, t = 0, pp = 0, tt = 0, pt = 0;
      const auto for_window = [&](auto&& use) {
        for (std::int64_t j = 0; j < taps; ++j)
          for (std::int64_t i = 0; i < taps; ++i) {
            const auto at = static_cast<std::size_t>((y + j) * image.w + x + i);
            const double g = gauss[static_cast<std::size_t>(i)] * gauss[static_cast<std::size_t>(j)] / (norm * norm);
            use(at, g * image.weight[at]);
          }
      };
      for_window([&](std::size_t at, double g) {
        mass += g;
        p += g * image.p[at];
        t += g * image.t[at];
      });
      if (mass == 0) continue;
      p /= mass;
      t /= mass;
      for_window([&](std::size_t at, double g) {
        pp += g / mass * (image.p[at] - p) * (image.p[at] - p);
        tt += g / mass * (image.t[at] - t) * (image.t[at] - t);
        pt += g / mass * (image.p[at] - p) * (image.t[at] - t);
      });
      double value = (2 * pt + c2) / (pp + tt + c2);
      if (last) value *= (2 * p * t + c1) / (p * p + t * t + c1);
      sum += mass * value;
      total += mass;
    }
  return total > 0 ? sum / total : 1;
}

Image half(const Image& image) {
  Image small{image.h / 2, image.w / 2, {}, {}, {}};
  for (std::int64_t y = 0; y < small.h; ++y)
    for (std::int64_t x = 0; x < small.w; ++x) {
      double mass = 0, p = 0, t = 0;
      for (const std::int64_t at : {0L, 1L, image.w, image.w + 1}) {
        const auto i = static_cast<std::size_t>(2 * y * image.w + 2 * x + at);
        mass += image.weight[i];
        p += image.weight[i] * image.p[i];
        t += image.weight[i] * image.t[i];
      }
      small.p.push_back(mass > 0 ? p / mass : 0);
      small.t.push_back(mass > 0 ? t / mass : 0);
      small.weight.push_back(mass / 4);
    }
  return small;
}

/// The formula of ms_ssim.cpp.
double similarity(Image image) {
  const std::vector<double> published{0.0448, 0.2856, 0.3001, 0.2363, 0.1333};
  std::size_t scales = 1;
  for (std::int64_t side = std::min(image.h, image.w) / 2; scales < 5 && side >= 11; side /= 2) ++scales;
  double sum = 0, product = 1;
  for (std::size_t s = 0; s < scales; ++s) sum += published[s];
  for (std::size_t s = 0; s < scales; ++s) {
    product *= std::pow(std::max(0.0, mean_of(image, s + 1 == scales)), published[s] / sum * 1.0001);
    image = half(image);
  }
  return product;
}

ReferenceLoss reference(bool ignore_empty = false, std::vector<double> weights = {}) {
  return [=](const LossBatch& b, const std::vector<double>& x) {
    double value = 0, total = 0;
    for (std::int64_t i = 0; i < b.n; ++i)
      for (std::int64_t c = 0; c < b.k; ++c) {
        if (!b.knows(i, c) || !b.counts(i)) continue;
        Image image{b.h, b.w, {}, {}, {}};
        bool has_target = false;
        for (std::int64_t p = 0; p < b.pixels(); ++p) {
          const double w = b.weight(i, p);
          image.weight.push_back(w);
          image.p.push_back(w == 0 ? 0 : 1 / (1 + std::exp(-x[b.at(i, c, p)])));
          image.t.push_back(w == 0 ? 0 : b.target(i, c, p));
          has_target = has_target || image.t.back() > 0;
        }
        if (ignore_empty && !has_target) continue;
        const double share = weights.empty() ? 1 : weights[static_cast<std::size_t>(c)];
        total += share;
        value += share * b.weight(i) * (1 - similarity(image));
      }
    return value / total;
  };
}

/// Labels that a network could have found: a disc in each class, and logits that are right in most places.
LossBatch discs(std::int64_t n, std::int64_t k, std::int64_t h, std::int64_t w, bool holes, unsigned seed) {
  LossBatch batch(n, k, h, w, false, holes, seed);
  std::fill(batch.planes.begin(), batch.planes.end(), 0u);
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t c = 0; c < k; ++c)
      for (std::int64_t p = 0; p < h * w; ++p) {
        const double y = static_cast<double>(p / w) - static_cast<double>(h) * 0.5;
        const double x = static_cast<double>(p % w) - static_cast<double>(w) * (0.3 + 0.2 * static_cast<double>(c % 3));
        const bool set = 9 * (x * x + y * y) < static_cast<double>(h * w);
        if (set) batch.set(i, c, p);
        batch.logits[batch.at(i, c, p)] += set ? 3.0f : -3.0f;
      }
  return batch;
}

TEST(MsSsim, KeepsTheRulesOfALoss) {
  expect_keeps_the_rules(LossUnderTest(false, 3), discs(2, 3, 19, 23, true, 1), reference());
  expect_is_finite_at_extremes(LossUnderTest(false, 3), false, 3);
}

TEST(MsSsim, UnderstandsAllThatDataCanSay) {
  const std::vector<double> weights{1, 0.25, 0, 2, 3};
  const LossUnderTest loss(false, 5, {{"class_weight", weights}, {"ignore_empty", {1}}});
  LossBatch batch = discs(2, 5, 24, 25, true, 2);
  for (auto& plane : batch.planes) plane &= ~16u;  // class 4 nowhere
  expect_understands_all(loss, false, batch, reference(true, weights));
}

// One image to a scale, and the last with all five.
TEST(MsSsim, MatchesAtEveryNumberOfScales) {
  for (const std::int64_t side : {1, 7, 11, 21, 22, 45, 89})
    expect_matches(LossUnderTest(false, 1), discs(1, 1, side, side + 3, false, 3), reference(), 6);
  expect_matches(LossUnderTest(false, 1), discs(1, 1, 177, 178, false, 4), reference(), 2);
}

TEST(MsSsim, IsZeroWhereAllIsRight) {
  LossBatch batch = discs(1, 2, 50, 60, false, 5);
  for (std::int64_t c = 0; c < 2; ++c)
    for (std::int64_t p = 0; p < batch.pixels(); ++p)
      batch.logits[batch.at(0, c, p)] = batch.target(0, c, p) > 0 ? 200.0f : -200.0f;
  EXPECT_NEAR(batch.run(LossUnderTest(false, 2)), 0, 1e-6);
}

TEST(MsSsim, SaysOnceThatScalesAreMissing) {
  const LossUnderTest loss(false, 1);
  const auto lines = [&](std::int64_t h, std::int64_t w) {
    LossBatch batch(1, 1, h, w, false, false, 6);
    const TestCall call;
    batch.run(loss, call);
    return call.lines;
  };
  EXPECT_TRUE(lines(8, 8).empty()) << "nobody trains on that";
  ASSERT_EQ(lines(64, 90).size(), 1u);
  EXPECT_TRUE(lines(64, 90).empty());
  const auto others = lines(100, 30);
  ASSERT_EQ(others.size(), 1u);
  EXPECT_NE(others[0].find("30 x 100 have 2 of 5 scales"), std::string::npos) << others[0];
  EXPECT_TRUE(lines(176, 176).empty());
}

TEST(MsSsim, SmallGradientsSurviveFloat16) {
  expect_small_gradients_survive_float16(LossUnderTest(false, 29), discs(2, 29, 150, 150, false, 7));
}

TEST(MsSsim, ShowsANanOfAValidPixel) {
  LossBatch batch = discs(1, 1, 30, 30, false, 8);
  batch.logits[77] = std::nanf("");
  EXPECT_TRUE(std::isnan(batch.run(LossUnderTest(false, 1))));
}

TEST(MsSsim, RefusesMulticlassDataAndSaysWhatToUse) {
  try {
    LossUnderTest(true, 3);
    FAIL();
  } catch (const osteon::sdk::Error& e) {
    EXPECT_EQ(e.status(), OSTEON_UNSUPPORTED);
    EXPECT_NE(std::string(e.what()).find("use lovasz"), std::string::npos) << e.what();
  }
}

}  // namespace
