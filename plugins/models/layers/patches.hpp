// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "lanes.hpp"

/// Convolutions of any shape for inference on the CPU as matrix products: float32, channels last. Each pixel of the
/// result is a row of all that the kernel sees there; rows are gathered block by block, while they are in the cache.
/// Results do not depend on the number of threads.
namespace osteon::layers::kernels {

/// How a kernel goes over its input. Of two entries the first is for rows, the second for columns.
struct PatchGrid {
  std::int64_t images = 1, height = 1, width = 1;  ///< of the input
  std::int64_t out_height = 1, out_width = 1;
  std::array<std::int64_t, 2> kernel{1, 1}, stride{1, 1}, dilation{1, 1};
  /// Zeros in front of the first row and column; as many follow the last ones as the result asks for.
  std::array<std::int64_t, 2> before{0, 0};

  std::int64_t pixels() const { return images * out_height * out_width; }  ///< of the result
  std::int64_t taps() const { return kernel[0] * kernel[1]; }
};

/// out <- epilogue(the convolution of all sources joined), [N, out_height, out_width, columns].
/// @param panels  weights [kernel rows * kernel columns * sum of channels, columns], packed (gemm.hpp)
void convolve_patches(const PatchGrid& grid, const std::vector<Source>& sources, const float* panels,
                      std::int64_t columns, const Epilogue& epilogue, float* out, int threads);

/// out <- the transposed 2x2 convolution of stride 2 of an image, [N, 2 height, 2 width, channels]: each pixel by
/// itself becomes 2x2.
/// @param x       [rows = N * height, width, k]
/// @param panels  for the upper row of the two and for the lower one, weights [k, 2 channels], packed
/// @param shift   [2 channels]
void convolve_transposed(const float* x, std::int64_t rows, std::int64_t width, std::int64_t k,
                         const std::array<const float*, 2>& panels, std::int64_t channels, const float* shift,
                         float* out, int threads);

}  // namespace osteon::layers::kernels
