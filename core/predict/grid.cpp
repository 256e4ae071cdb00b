// SPDX-License-Identifier: Apache-2.0
#include "predict/grid.hpp"

#include <algorithm>
#include <cmath>

#include <osteon/sdk/vector_math.hpp>

namespace osteon::predict {

Axis make_axis(std::int64_t in, std::int64_t out, double scale, double offset) {
  Axis axis;
  for (std::int64_t i = 0; i < out; ++i) {
    const double position = std::clamp((static_cast<double>(i) - offset) / scale, 0.0, static_cast<double>(in - 1));
    const double low = std::floor(position);
    axis.low.push_back(static_cast<std::int32_t>(low));
    axis.high.push_back(static_cast<std::int32_t>(std::min(low + 1, static_cast<double>(in - 1))));
    axis.weight.push_back(static_cast<float>(position - low));
  }
  return axis;
}

AxisMap covering(std::int64_t in, std::int64_t out, bool align_corners) {
  // One pixel on either side leaves no step to measure; any will do.
  if (align_corners) return {in > 1 && out > 1 ? static_cast<double>(out - 1) / static_cast<double>(in - 1) : 1.0, 0.0};
  const double scale = static_cast<double>(out) / static_cast<double>(in);
  return {scale, (scale - 1) / 2};
}

Span reached_by(const Axis& axis, Span in) {
  if (in.empty()) return {};
  // Both rise along the axis.
  const auto first = std::lower_bound(axis.high.begin(), axis.high.end(), in.begin);
  const auto last = std::lower_bound(axis.low.begin(), axis.low.end(), in.end);
  return {first - axis.high.begin(), last - axis.low.begin()};
}

OSTEON_MULTIVERSION void widen(const float* row, const Axis& axis, Span span, float* out) {
  const std::int32_t* low = axis.low.data();
  const std::int32_t* high = axis.high.data();
  const float* along = axis.weight.data();
  OSTEON_VECTOR_LOOP
  for (std::int64_t x = span.begin; x < span.end; ++x) out[x] = row[low[x]] + (row[high[x]] - row[low[x]]) * along[x];
}

OSTEON_MULTIVERSION void blend_row(const float* top, const float* bottom, float weight, std::int64_t in_width,
                                   const Axis& axis, float* scratch, float* out) {
  OSTEON_VECTOR_LOOP
  for (std::int64_t x = 0; x < in_width; ++x) scratch[x] = top[x] + (bottom[x] - top[x]) * weight;
  widen(scratch, axis, {0, static_cast<std::int64_t>(axis.weight.size())}, out);
}

}  // namespace osteon::predict
