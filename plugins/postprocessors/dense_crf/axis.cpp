// SPDX-License-Identifier: Apache-2.0
#include "axis.hpp"

#include <algorithm>
#include <cmath>

namespace osteon::dense_crf {
namespace {

// @param smoothed  variance of splat and slice together, in spacings
Axis make_axis(double sigma, double spacing, double range, double smoothed) {
  Axis axis;
  axis.spacing = spacing;
  axis.vertices = static_cast<std::int64_t>(range / spacing) + 2;
  const double variance = sigma * sigma / (spacing * spacing) - smoothed;
  double sum = 0, taps[Axis::kReach + 1];
  for (std::int64_t k = 0; k <= Axis::kReach; ++k) {
    taps[k] = std::exp(-static_cast<double>(k * k) / (2 * variance));
    sum += k == 0 ? taps[k] : 2 * taps[k];
  }
  for (std::int64_t k = 0; k <= Axis::kReach; ++k) axis.taps[k] = static_cast<float>(taps[k] / sum);
  return axis;
}

}  // namespace

Axis pixel_axis(double sigma, double spacing, std::int64_t pixels) {
  spacing = std::max(1.0, spacing * sigma);
  // The mean of 2 f (1 - f) over the shares f = 0, 1 / s, 2 / s, ... of pixels between vertices.
  return make_axis(sigma, spacing, static_cast<double>(pixels - 1), (1 - 1 / (spacing * spacing)) / 3);
}

Axis value_axis(double sigma, double spacing, double range) {
  return make_axis(sigma, spacing * sigma, range, 1.0 / 3);
}

AxisPlaces::AxisPlaces(const Axis& axis, std::int64_t pixels) {
  for (std::int64_t i = 0; i < pixels; ++i) {
    const double at = static_cast<double>(i) / axis.spacing;
    vertex.push_back(static_cast<std::int32_t>(at));
    share.push_back(static_cast<float>(at - std::floor(at)));
  }
}

}  // namespace osteon::dense_crf
