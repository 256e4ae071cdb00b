// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "plugin/augmentation.hpp"
#include "support/linked_plugin.hpp"

namespace osteon::test {
namespace {

plugin::Augmentation make(double alpha, double sigma, const plugin::Call& call, bool same = false) {
  const auto component = linked_component(plugin::Kind::kAugmentation, "elastic_transform");
  return plugin::Augmentation(component,
                              parameters_of(component, {{"alpha", std::vector<double>{alpha}},
                                                        {"sigma", std::vector<double>{sigma}},
                                                        {"same_dxdy", std::vector<bool>{same}}}),
                              {false, {"a"}, {}}, call);
}

/// Displacements at points, x and y in turn.
std::vector<float> displaced(const plugin::Augmentation::Warp& warp, const std::vector<float>& points) {
  std::vector<float> xy = points;
  warp.map_points(points.size() / 2, xy.data());
  for (std::size_t i = 0; i < xy.size(); ++i) xy[i] -= points[i];
  return xy;
}

/// What a Gaussian, cut off where it is nothing, leaves along one axis of the correlation of white noise at `lag`.
double correlation(double sigma, double lag) {
  const int reach = static_cast<int>(std::ceil(8 * sigma)) + static_cast<int>(lag);
  double sum = 0, both = 0;
  for (int i = -reach; i <= reach; ++i) {
    sum += std::exp(-i * i / (2 * sigma * sigma));
    both += std::exp(-i * i / (2 * sigma * sigma)) * std::exp(-(i + lag) * (i + lag) / (2 * sigma * sigma));
  }
  return both / (sum * sum);
}

struct Statistics {
  double variance = 0, at_sigma = 0, diagonal = 0, axes = 0;
};

// Over draws, at points far enough apart to be independent of each other.
Statistics measure(double alpha, double sigma, int draws) {
  const plugin::Call call;
  const auto elastic = make(alpha, sigma, call);
  const auto size = static_cast<std::int64_t>(sigma * 64);
  const float lag = static_cast<float>(std::round(sigma));
  std::vector<float> points;
  for (float y = lag; y + lag < static_cast<float>(size); y += 6 * lag)
    for (float x = lag; x + lag < static_cast<float>(size); x += 6 * lag)
      points.insert(points.end(), {x, y, x + lag, y, x + lag, y + lag});
  Statistics sum;
  double count = 0;
  for (int draw = 0; draw < draws; ++draw) {
    const plugin::Call own = call.derive({});
    const auto warp = elastic.sample_warp(own, {{static_cast<std::uint64_t>(draw), 9}}, size, size);
    const std::vector<float> d = displaced(warp, points);
    for (std::size_t i = 0; i < d.size(); i += 6, count += 1) {
      sum.variance += double{d[i]} * d[i] / 2 + double{d[i + 1]} * d[i + 1] / 2;
      sum.at_sigma += double{d[i]} * d[i + 2] / 2 + double{d[i + 1]} * d[i + 3] / 2;
      sum.diagonal += double{d[i]} * d[i + 4] / 2 + double{d[i + 1]} * d[i + 5] / 2;
      sum.axes += double{d[i]} * d[i + 1];
    }
  }
  return {sum.variance / count, sum.at_sigma / count, sum.diagonal / count, sum.axes / count};
}

// 200 draws at 121 places: 48,000 numbers, whose variance is known within 0.65 %; a bound of three of that.
TEST(ElasticTransform, HasTheSpreadOfBlurredWhiteNoise) {
  for (const double sigma : {0.5, 2.0, 3.7, 8.0}) {
    const Statistics found = measure(15, sigma, 200);
    const double spread = std::sqrt(found.variance), expected = 15 / std::sqrt(3.0) * correlation(sigma, 0);
    EXPECT_NEAR(spread, expected, 0.02 * expected) << sigma;
  }
}

TEST(ElasticTransform, IsAsSmoothAsBlurredWhiteNoise) {
  const double sigma = 5;
  const Statistics found = measure(10, sigma, 200);
  const double unit = 100.0 / 3, zero = correlation(sigma, 0), at_sigma = correlation(sigma, sigma);
  EXPECT_NEAR(found.at_sigma, unit * zero * at_sigma, 0.03 * unit * zero * zero);
  EXPECT_NEAR(found.diagonal, unit * at_sigma * at_sigma, 0.03 * unit * zero * zero);
  EXPECT_NEAR(found.axes, 0, 0.03 * unit * zero * zero);
}

// Where the first node lies must not show: the spread is the same at and between nodes.
TEST(ElasticTransform, IsTheSameEverywhere) {
  const plugin::Call call;
  const double sigma = 8;
  const auto elastic = make(1, sigma, call);
  std::vector<double> at(8, 0.0);
  for (std::uint64_t draw = 0; draw < 100; ++draw) {
    const plugin::Call own = call.derive({});
    const auto warp = elastic.sample_warp(own, {{draw, 4}}, 512, 512);
    std::vector<float> points;
    for (float y = 0; y < 512; y += 48)
      for (float x = 0; x < 512; x += 48)
        for (float phase = 0; phase < 8; ++phase) points.insert(points.end(), {x + phase, y + phase});
    const std::vector<float> d = displaced(warp, points);
    for (std::size_t i = 0; i < d.size(); i += 2) at[i / 2 % 8] += double{d[i]} * d[i] + double{d[i + 1]} * d[i + 1];
  }
  // 24,200 numbers each: known within 0.9 %.
  for (std::size_t phase = 1; phase < 8; ++phase) EXPECT_NEAR(at[phase] / at[0], 1, 0.04) << phase;
}

TEST(ElasticTransform, ComesFromTheKeyAloneOnAnyNumberOfThreads) {
  std::vector<float> points;
  for (float i = 0; i < 200; ++i) points.insert(points.end(), {i * 0.7f, 140 - i * 0.6f});
  std::vector<std::vector<float>> found;
  for (const int threads : {1, 2, 5}) {
    plugin::CallOptions options;
    options.threads = threads;
    const plugin::Call call(options);
    const auto warp = make(20, 3, call).sample_warp(call, {{8, 9}}, 141, 141);
    found.push_back(displaced(warp, points));
  }
  EXPECT_EQ(found[0], found[1]);
  EXPECT_EQ(found[0], found[2]);
  const plugin::Call call;
  EXPECT_NE(displaced(make(20, 3, call).sample_warp(call, {{9, 9}}, 141, 141), points), found[0]);
}

TEST(ElasticTransform, MovesAlongTheDiagonalWithOneField) {
  const plugin::Call call;
  const auto warp = make(20, 3, call, true).sample_warp(call, {{8, 9}}, 40, 60);
  const std::vector<float> d = displaced(warp, {3, 5, 30.5, 20.25, 59, 39});
  for (std::size_t i = 0; i < d.size(); i += 2) EXPECT_NEAR(d[i], d[i + 1], 1e-5);
}

TEST(ElasticTransform, WithTheirDefaultsMovesNothingThatCanBeSeen) {
  const plugin::Call call;
  const auto warp = make(1, 50, call).sample_warp(call, {{8, 9}}, 512, 512);
  for (const float d : displaced(warp, {0, 0, 100, 200, 511, 511})) EXPECT_LT(std::abs(d), 0.03);
}

}  // namespace
}  // namespace osteon::test
