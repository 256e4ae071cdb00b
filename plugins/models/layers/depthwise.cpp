// SPDX-License-Identifier: Apache-2.0
#include "depthwise.hpp"

#include <algorithm>
#include <array>

#include <osteon/sdk/vector_math.hpp>

#include "lanes.hpp"

namespace osteon::layers::kernels {
namespace {

/// The rows above, at and below one row of the output; null beyond the border.
using Window = std::array<const float*, 3>;

/// Lanes of channels of one row: the taps stay in registers while pixels go by.
OSTEON_INLINE void convolve_lanes(const Window& rows, std::int64_t width, std::int64_t channels, std::int64_t dilation,
                                  const Lanes (&taps)[9], float* out) {
  for (std::int64_t x = 0; x < width; ++x) {
    Lanes sum = {};
    for (int i = 0; i < 3; ++i) {
      const float* row = rows[static_cast<std::size_t>(i)];
      if (row == nullptr) continue;
      if (x >= dilation) sum += lanes_at(row + (x - dilation) * channels) * taps[3 * i];
      sum += lanes_at(row + x * channels) * taps[3 * i + 1];
      if (x + dilation < width) sum += lanes_at(row + (x + dilation) * channels) * taps[3 * i + 2];
    }
    lanes_at(out + x * channels) = sum;
  }
}

OSTEON_MULTIVERSION void convolve_row(const Window& rows, std::int64_t width, std::int64_t channels,
                                      std::int64_t dilation, const float* taps, float* out) {
  std::int64_t c = 0;
  for (; c + kLanes <= channels; c += kLanes) {
    Lanes weights[9];
    for (int tap = 0; tap < 9; ++tap) weights[tap] = lanes_at(taps + tap * channels + c);
    Window from = rows;
    for (const float*& row : from)
      if (row != nullptr) row += c;
    convolve_lanes(from, width, channels, dilation, weights, out + c);
  }
  for (; c < channels; ++c)
    for (std::int64_t x = 0; x < width; ++x) {
      float sum = 0;
      for (int tap = 0; tap < 9; ++tap) {
        const float* row = rows[static_cast<std::size_t>(tap / 3)];
        const std::int64_t from = x + (tap % 3 - 1) * dilation;
        if (row != nullptr && from >= 0 && from < width) sum += row[from * channels + c] * taps[tap * channels + c];
      }
      out[x * channels + c] = sum;
    }
}

/// y <- (1 - f) * ((1 - g) * a + g * b) + f * ((1 - g) * c + g * d)
OSTEON_MULTIVERSION void blend(const float* a, const float* b, const float* c, const float* d, float f, float g,
                               std::int64_t count, float* y) {
  OSTEON_VECTOR_LOOP
  for (std::int64_t i = 0; i < count; ++i)
    y[i] = (1 - f) * ((1 - g) * a[i] + g * b[i]) + f * ((1 - g) * c[i] + g * d[i]);
}

/// Where a pixel of the fine grid lies between two of the coarse one.
struct Position {
  std::int64_t low, high;
  float fraction;  ///< of high
};

Position position(std::int64_t fine, std::int64_t fine_size, std::int64_t coarse_size) {
  const float scale = fine_size > 1 ? static_cast<float>(coarse_size - 1) / static_cast<float>(fine_size - 1) : 0.0f;
  const float at = static_cast<float>(fine) * scale;
  const std::int64_t low = std::min(static_cast<std::int64_t>(at), coarse_size - 1);
  return {low, std::min(low + 1, coarse_size - 1), at - static_cast<float>(low)};
}

}  // namespace

void convolve_depthwise(const ImageRows& in, std::int64_t begin, std::int64_t end, std::int64_t dilation,
                        const float* taps, float* out, int threads) {
#pragma omp parallel for num_threads(threads) schedule(static)
  for (std::int64_t y = begin; y < end; ++y) {
    Window rows{};
    for (int i = 0; i < 3; ++i) {
      const std::int64_t from = y + (i - 1) * dilation;
      if (from >= 0 && from < in.height) rows[static_cast<std::size_t>(i)] = in.at(from, 0);
    }
    convolve_row(rows, in.width, in.channels, dilation, taps, out + (y - begin) * in.width * in.channels);
  }
}

void resize_corners(const ImageRows& in, std::int64_t height, std::int64_t width, std::int64_t begin, std::int64_t end,
                    float* out, std::int64_t stride, int threads) {
#pragma omp parallel for num_threads(threads) schedule(static)
  for (std::int64_t y = begin; y < end; ++y) {
    const Position row = position(y, height, in.height);
    for (std::int64_t x = 0; x < width; ++x) {
      const Position column = position(x, width, in.width);
      blend(in.at(row.low, column.low), in.at(row.low, column.high), in.at(row.high, column.low),
            in.at(row.high, column.high), row.fraction, column.fraction, in.channels,
            out + ((y - begin) * width + x) * stride);
    }
  }
}

}  // namespace osteon::layers::kernels
