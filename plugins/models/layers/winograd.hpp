// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "gemm.hpp"

/// 3x3 convolutions for inference on the CPU with a quarter of the multiplications: float32, channels last.
///
/// Lavin and Gray, "Fast algorithms for convolutional neural networks", CVPR 2016, arXiv:1509.09308: F(4x4, 3x3). Tiles
/// of 6x6 pixels and the kernels are transformed, multiplied point by point, which for all tiles and channels are 36
/// matrix products, and transformed back into 4x4 pixels. Rounding errors are some ten times those of the direct way:
/// up to 3e-6 of the result's range for 64 channels, 8e-6 for 768 (measured).
namespace osteon::layers::kernels {

/// The grid of a convolution of stride 1 with as much padding as dilation.
struct WinogradGrid {
  std::int64_t images = 1, height = 1, width = 1, dilation = 1;
  /// In how many tiles it falls apart. Few of them do not pay: the kernels are read once for each 48 or so.
  std::int64_t tiles() const;
};

/// Transformed kernels for inputs of so many channels each.
class WinogradWeights {
 public:
  /// @param weight  [out, sum of channels, 3, 3]
  WinogradWeights(const float* weight, const std::vector<std::int64_t>& channels, std::int64_t out, int threads);

  std::int64_t out() const noexcept { return out_; }
  /// Of all inputs, each padded to whole Lanes.
  std::int64_t depth() const noexcept { return depth_; }
  /// Panels of the kernels' point `point` of 36, for rows [first, first + depth) of the depth, where `first` is a
  /// multiple of kDepthAtOnce.
  const float* panels(std::int64_t first, std::int64_t point) const;

  /// How much of the depth is worked on at once.
  static constexpr std::int64_t kDepthAtOnce = 512;

 private:
  /// One row of the depth: from kernels `stride` floats apart, one for each output; null: zeros.
  void transform_row(const float* weight, std::int64_t stride, std::int64_t row);

  std::int64_t out_, depth_;
  Floats values_;  ///< [depth / kDepthAtOnce][36] panels
};

/// out <- epilogue(the 3x3 convolution of all inputs joined), [N, H, W, weights.out()], or [N, weights.out(), H, W]
/// with `planes`, and then without a residual. Each thread allocates a few megabytes.
void convolve_winograd(const WinogradGrid& grid, const std::vector<Source>& inputs, const WinogradWeights& weights,
                       const Epilogue& epilogue, bool planes, float* out, int threads);

}  // namespace osteon::layers::kernels
