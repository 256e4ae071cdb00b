// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

namespace osteon::dense_crf {

/// One axis of a grid: vertices at 0, spacing, 2 spacing, ..., and the blur along it. Linear splat and slice smooth as
/// well, so the blur has the variance that they leave over.
struct Axis {
  static constexpr std::int64_t kReach = 5;  ///< taps to either side
  double spacing = 1;
  std::int64_t vertices = 2;
  float taps[kReach + 1] = {1};  ///< of the centre and of one side; the sum over both sides is 1
};

/// Of rows or columns of pixels. Vertices are never closer than pixels, where splat and slice are exact.
/// @param spacing  of vertices, in sigmas
Axis pixel_axis(double sigma, double spacing, std::int64_t pixels);
/// Of a quantity between 0 and `range` that takes any value.
Axis value_axis(double sigma, double spacing, double range);

/// Where each pixel of an axis lies between vertices.
struct AxisPlaces {
  AxisPlaces(const Axis& axis, std::int64_t pixels);
  std::vector<std::int32_t> vertex;  ///< the one before it
  std::vector<float> share;          ///< of the one behind it
};

}  // namespace osteon::dense_crf
