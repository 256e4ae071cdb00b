// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>

/// Inner loops of inference on the CPU: float32, channels last, rows of `channels` floats without gaps.
///
/// Each works on at most `threads` threads; the result does not depend on their number. None allocates but where it
/// says so, none throws but std::bad_alloc.
namespace osteon::layers::kernels {

/// x <- x * Phi(x), the Gaussian error linear unit with the exact distribution function; within 2e-7 * max(1, |x|).
void gelu(float* x, std::int64_t count, int threads);

/// y <- (x - mean) / sqrt(variance + epsilon) * weight + bias, over each row; y may be x.
void layer_norm(const float* x, std::int64_t rows, std::int64_t channels, const float* weight, const float* bias,
                float epsilon, float* y, int threads);

/// Each row of `columns` becomes softmax(scale * row); scale > 0.
void softmax(float* x, std::int64_t rows, std::int64_t columns, float scale, int threads);

/// y <- y + x * scale, where scale is one value per channel; null: 1.
void add_scaled(const float* x, std::int64_t rows, std::int64_t channels, const float* scale, float* y, int threads);

/// x <- max(0, x * scale + shift), per channel.
void affine_relu(float* x, std::int64_t rows, std::int64_t channels, const float* scale, const float* shift,
                 int threads);

/// Maps of one image on a coarse grid, to be resized bilinearly (align_corners = false) to a finer one and added.
///
/// With taps = 1 there is one map. With taps = 3 there are nine, map [3 * dy + dx] being what a 3x3 kernel's weights of
/// that offset make of the coarse image: their sum, each resized and moved by (dy - 1, dx - 1) with zeros beyond the
/// fine image's border, is the 3x3 convolution (padding 1) of the resized image, at the coarse grid's cost.
struct Upsampled {
  std::array<const float*, 9> maps{};  ///< [rows, width, channels]: the rows from first_row on
  int taps = 1;
  std::int64_t height = 1, width = 1;  ///< of the whole coarse grid
  std::int64_t first_row = 0;          ///< that `maps` begin with
  std::int64_t channels = 1;
};

/// The coarse rows [first, last) that rows [begin, end) of a fine image of `height` rows need.
struct RowRange {
  std::int64_t first, last;
};
RowRange coarse_rows(std::int64_t begin, std::int64_t end, std::int64_t height, std::int64_t coarse_height, int taps);

/// out <- out + the sum above, for rows [begin, end) of a fine grid of height x width; `out` points at row `begin`.
/// Allocates 3 coarse rows a thread.
void add_upsampled(const Upsampled& source, std::int64_t height, std::int64_t width, std::int64_t begin,
                   std::int64_t end, float* out, int threads);

}  // namespace osteon::layers::kernels
