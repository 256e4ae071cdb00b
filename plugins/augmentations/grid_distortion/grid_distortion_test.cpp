// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>

#include "plugin/augmentation.hpp"
#include "support/linked_plugin.hpp"

namespace osteon::test {
namespace {

constexpr std::int64_t kHeight = 90, kWidth = 101;

plugin::Augmentation make(const std::map<std::string, plugin::ParameterValue>& given, const plugin::Call& call) {
  const auto component = linked_component(plugin::Kind::kAugmentation, "grid_distortion");
  return plugin::Augmentation(component, parameters_of(component, given), {false, {"a"}, {}}, call);
}

/// Where points along one axis, at the other's `across`, come from.
std::vector<float> along(const plugin::Augmentation::Warp& warp, bool x_axis, const std::vector<double>& points,
                         float across) {
  std::vector<float> xy, result;
  for (const double p : points) {
    xy.push_back(x_axis ? static_cast<float>(p) : across);
    xy.push_back(x_axis ? across : static_cast<float>(p));
  }
  warp.map_points(points.size(), xy.data());
  for (std::size_t i = 0; i < points.size(); ++i) result.push_back(xy[2 * i + (x_axis ? 0 : 1)]);
  return result;
}

std::vector<double> nodes(std::int64_t size, int steps) {
  std::vector<double> at;
  for (int k = 0; k <= steps; ++k) at.push_back(-0.5 + static_cast<double>(k * size) / steps);
  return at;
}

TEST(GridDistortion, MovesItsNodesByWidthsWithinTheLimitAndKeepsTheEdges) {
  const plugin::Call call;
  const auto distort =
      make({{"num_steps", std::vector<std::int64_t>{4}}, {"distort_limit", std::vector<double>{-0.2, 0.2}}}, call);
  double narrowest = 1, widest = 1;
  for (std::uint64_t key = 0; key < 100; ++key) {
    const auto warp = distort.sample_warp(call, {{key, 3}}, kHeight, kWidth);
    for (const bool x_axis : {true, false}) {
      const std::int64_t size = x_axis ? kWidth : kHeight;
      const std::vector<float> at = along(warp, x_axis, nodes(size, 4), 40);
      EXPECT_EQ(at, along(warp, x_axis, nodes(size, 4), 7)) << "the axes are independent";
      EXPECT_NEAR(at.front(), -0.5, 1e-4);
      EXPECT_NEAR(at.back(), static_cast<double>(size) - 0.5, 1e-4);
      for (std::size_t k = 0; k < 4; ++k) {
        const double width = (at[k + 1] - at[k]) * 4 / static_cast<double>(size);
        // Drawn between 0.8 and 1.2, and divided by their mean.
        EXPECT_GE(width, 0.8 / 1.2);
        EXPECT_LE(width, 1.2 / 0.8);
        narrowest = std::min(narrowest, width);
        widest = std::max(widest, width);
      }
    }
  }
  EXPECT_LT(narrowest, 0.82);
  EXPECT_GT(widest, 1.18);
}

TEST(GridDistortion, StretchesEachCellEvenly) {
  const plugin::Call call;
  const auto warp = make({}, call).sample_warp(call, {{5, 3}}, kHeight, kWidth);
  const std::vector<double> grid = nodes(kWidth, 5);
  const std::vector<float> at = along(warp, true, grid, 11);
  std::vector<double> between;
  for (double x = 0; x < kWidth; ++x) between.push_back(x);
  const std::vector<float> found = along(warp, true, between, 11);
  for (std::size_t x = 0; x < between.size(); ++x) {
    const auto k = std::min<std::size_t>(4, static_cast<std::size_t>((between[x] + 0.5) / (kWidth / 5.0)));
    const double share = (between[x] - grid[k]) / (grid[k + 1] - grid[k]);
    EXPECT_NEAR(found[x], at[k] + share * (at[k + 1] - at[k]), 1e-3) << x;
  }
}

TEST(GridDistortion, WidthsAreWhatWasDrawnWhereTheyAreNotNormalized) {
  const plugin::Call call;
  const auto warp = make({{"num_steps", std::vector<std::int64_t>{4}},
                          {"distort_limit", std::vector<double>{0.25, 0.25}},
                          {"normalized", std::vector<bool>{false}}},
                         call)
                        .sample_warp(call, {{5, 3}}, kHeight, kWidth);
  EXPECT_NEAR(along(warp, true, {kWidth - 0.5}, 0)[0], -0.5 + 1.25 * kWidth, 1e-3);
}

}  // namespace
}  // namespace osteon::test
