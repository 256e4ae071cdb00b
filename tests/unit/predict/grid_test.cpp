// SPDX-License-Identifier: Apache-2.0
#include "predict/grid.hpp"

#include <algorithm>
#include <cmath>
#include <tuple>

#include <gtest/gtest.h>

namespace osteon::predict {
namespace {

// PyTorch's area_pixel_compute_source_index for bilinear interpolation.
double torch_position(std::int64_t in, std::int64_t out, std::int64_t i, bool align_corners) {
  if (align_corners)
    return out > 1 ? static_cast<double>(in - 1) / static_cast<double>(out - 1) * static_cast<double>(i) : 0.0;
  return std::max(0.0, static_cast<double>(in) / static_cast<double>(out) * (static_cast<double>(i) + 0.5) - 0.5);
}

class Covering : public ::testing::TestWithParam<std::tuple<std::pair<int, int>, bool>> {};

TEST_P(Covering, PutsPixelsWherePyTorchPutsThem) {
  const auto [sizes, align_corners] = GetParam();
  const auto [in, out] = sizes;
  const AxisMap map = covering(in, out, align_corners);
  const Axis axis = make_axis(in, out, map.scale, map.offset);
  ASSERT_EQ(axis.weight.size(), static_cast<std::size_t>(out));
  for (int i = 0; i < out; ++i) {
    const auto k = static_cast<std::size_t>(i);
    const double expected = std::min(torch_position(in, out, i, align_corners), static_cast<double>(in - 1));
    EXPECT_GE(axis.low[k], 0);
    EXPECT_LT(axis.high[k], in);
    EXPECT_LE(axis.low[k], axis.high[k]);
    // low == high at the edge, where the weight does not matter.
    const double position = axis.low[k] + (axis.high[k] - axis.low[k]) * static_cast<double>(axis.weight[k]);
    EXPECT_NEAR(position, expected, 1e-5) << in << " to " << out << ", pixel " << i;
  }
}
INSTANTIATE_TEST_SUITE_P(Sizes, Covering,
                         ::testing::Combine(::testing::Values(std::pair{4, 4}, std::pair{4, 8}, std::pair{5, 13},
                                                              std::pair{128, 512}, std::pair{9, 4}, std::pair{1, 7},
                                                              std::pair{7, 1}, std::pair{1, 1}),
                                            ::testing::Bool()));

TEST(MakeAxis, ContinuesAGridByItsEdges) {
  // A grid of three pixels at 4, 6 and 8 of ten.
  const Axis axis = make_axis(3, 10, 2, 4);
  const auto value = [&](std::size_t i) {
    const double grid[] = {10, 20, 40};
    return grid[axis.low[i]] * (1 - axis.weight[i]) + grid[axis.high[i]] * axis.weight[i];
  };
  for (const std::size_t i : {0, 1, 2, 3, 4}) EXPECT_EQ(value(i), 10);
  EXPECT_EQ(value(5), 15);
  EXPECT_EQ(value(6), 20);
  EXPECT_EQ(value(7), 30);
  EXPECT_EQ(value(8), 40);
  EXPECT_EQ(value(9), 40);
}

TEST(Widen, LeavesWhatIsBesideItsSpanAlone) {
  const std::vector<float> row = {1, 3, 7};
  std::vector<float> out(6, -1);
  widen(row.data(), make_axis(3, 6, 2, 0.5), {1, 4}, out.data());
  const std::vector<float> expected = {-1, 1.5, 2.5, 4, -1, -1};
  for (std::size_t i = 0; i < out.size(); ++i) EXPECT_NEAR(out[i], expected[i], 1e-6) << i;
}

TEST(BlendRow, IsBilinearInterpolation) {
  std::vector<float> top, bottom;
  for (int x = 0; x < 11; ++x) {
    top.push_back(std::sin(static_cast<float>(x)));
    bottom.push_back(std::cos(static_cast<float>(3 * x)));
  }
  const AxisMap map = covering(11, 37, false);
  std::vector<float> scratch(11), out(37);
  blend_row(top.data(), bottom.data(), 0.3f, 11, make_axis(11, 37, map.scale, map.offset), scratch.data(), out.data());
  for (int i = 0; i < 37; ++i) {
    const double position = std::clamp(torch_position(11, 37, i, false), 0.0, 10.0);
    const auto low = static_cast<std::size_t>(position), high = std::min<std::size_t>(low + 1, 10);
    const double w = position - static_cast<double>(low);
    const double expected =
        0.7 * (top[low] * (1 - w) + top[high] * w) + 0.3 * (bottom[low] * (1 - w) + bottom[high] * w);
    EXPECT_NEAR(out[static_cast<std::size_t>(i)], expected, 1e-5);
  }
}

}  // namespace
}  // namespace osteon::predict
