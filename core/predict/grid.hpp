// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

namespace osteon::predict {

/// Where each of `out` pixels of an axis lies between two pixels of a grid of `in` pixels: value = in[low] (1 - weight)
/// + in[high] weight. Beyond the first and the last pixel the grid is continued by its edge.
struct Axis {
  std::vector<std::int32_t> low, high;
  std::vector<float> weight;
};

/// @param scale, offset  a pixel g of the grid lies at scale * g + offset in the image (osteon_prediction.to_image).
/// Resizing as
///                       PyTorch does it: scale = out / in, offset = (scale - 1) / 2; with align_corners
///                       scale = (out - 1) / (in - 1), offset = 0.
Axis make_axis(std::int64_t in, std::int64_t out, double scale, double offset);

/// The affine of a grid of `in` pixels that covers an image of `out` pixels: {scale, offset} as make_axis takes them.
struct AxisMap {
  double scale = 1, offset = 0;
};
AxisMap covering(std::int64_t in, std::int64_t out, bool align_corners);

/// One output row of bilinear interpolation: blends two rows of `in_width` into `scratch`, then `axis` picks along it.
/// `out` has axis.weight.size() values, `scratch` in_width.
void blend_row(const float* top, const float* bottom, float weight, std::int64_t in_width, const Axis& axis,
               float* scratch, float* out);

/// Elements begin .. end - 1 of a row.
struct Span {
  std::int64_t begin = 0, end = 0;
  bool empty() const { return begin >= end; }
};

/// The output pixels that take anything from input pixels of `in`.
Span reached_by(const Axis& axis, Span in);

/// The output pixels of `span`, of one row of the grid; those of `out` beside it are left alone.
void widen(const float* row, const Axis& axis, Span span, float* out);

}  // namespace osteon::predict
