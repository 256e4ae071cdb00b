// SPDX-License-Identifier: Apache-2.0
#include "depthwise.hpp"

#include <algorithm>
#include <array>

#include <osteon/sdk/vector_math.hpp>

#include "lanes.hpp"

namespace osteon::layers::kernels {
namespace {

constexpr std::int64_t kMostSide = 5;

/// The rows that a row of the result is made of; null beyond the border.
using Window = std::array<const float*, kMostSide>;

/// A row of the image as a row of the result sees it.
struct Row {
  std::int64_t width, channels;  ///< of the image
  const DepthwiseShape& shape;
  Activation activation;
};

/// Lanes of channels of one row, and what they add up to: the taps stay in registers while pixels go by.
template <int K>
OSTEON_INLINE void convolve_lanes(const Row& row, const Window& rows, const float* taps, const Lanes& shift, float* out,
                                  Lanes& total) {
  const DepthwiseShape& s = row.shape;
  Lanes weights[K * K];
  for (int tap = 0; tap < K * K; ++tap) weights[tap] = lanes_at(taps + tap * row.channels);
  total = Lanes{};
  for (std::int64_t x = 0; x < s.out_width; ++x) {
    const std::int64_t left = x * s.stride - s.before;
    const bool inside = left >= 0 && left + (K - 1) * s.dilation < row.width;
    Lanes sum = shift;
    for (int i = 0; i < K; ++i) {
      const float* from = rows[static_cast<std::size_t>(i)];
      if (from == nullptr) continue;
      for (int j = 0; j < K; ++j) {
        const std::int64_t at = left + j * s.dilation;
        if (inside || (at >= 0 && at < row.width)) sum += lanes_at(from + at * row.channels) * weights[i * K + j];
      }
    }
    activate(sum, row.activation);
    lanes_at(out + x * row.channels) = sum;
    total += sum;
  }
}

/// The whole Lanes of channels of one row.
template <int K>
OSTEON_INLINE void convolve_row(const Row& row, const Window& rows, const float* taps, const float* shift, float* out,
                                float* sums) {
  Window from = rows;
  for (std::int64_t c = 0; c + kLanes <= row.channels; c += kLanes) {
    const Lanes begin = shift == nullptr ? Lanes{} : lanes_at(shift + c);
    Lanes total;
    for (std::size_t i = 0; i < K; ++i)
      if (rows[i] != nullptr) from[i] = rows[i] + c;
    convolve_lanes<K>(row, from, taps + c, begin, out + c, total);
    if (sums != nullptr) lanes_at(sums + c) = total;
  }
}

/// The channels of a row beyond its last whole Lanes.
template <int K>
OSTEON_INLINE void convolve_rest(const Row& row, const Window& rows, const float* taps, const float* shift, float* out,
                                 float* sums) {
  const std::int64_t first = row.channels / kLanes * kLanes;
  if (sums != nullptr) std::fill(sums + first, sums + row.channels, 0.0f);
  for (std::int64_t x = 0; first < row.channels && x < row.shape.out_width; ++x) {
    Lanes sum = {};
    for (std::int64_t c = first; c < row.channels; ++c) {
      float value = shift == nullptr ? 0 : shift[c];
      for (int tap = 0; tap < K * K; ++tap) {
        const float* from = rows[static_cast<std::size_t>(tap / K)];
        const std::int64_t at = x * row.shape.stride - row.shape.before + tap % K * row.shape.dilation;
        if (from != nullptr && at >= 0 && at < row.width)
          value += from[at * row.channels + c] * taps[tap * row.channels + c];
      }
      sum[c - first] = value;
    }
    activate(sum, row.activation);
    for (std::int64_t c = first; c < row.channels; ++c) {
      out[x * row.channels + c] = sum[c - first];
      if (sums != nullptr) sums[c] += sum[c - first];
    }
  }
}

OSTEON_MULTIVERSION void convolve_row_3(const Row& row, const Window& rows, const float* taps, const float* shift,
                                        float* out, float* sums) {
  convolve_row<3>(row, rows, taps, shift, out, sums);
  convolve_rest<3>(row, rows, taps, shift, out, sums);
}

OSTEON_MULTIVERSION void convolve_row_5(const Row& row, const Window& rows, const float* taps, const float* shift,
                                        float* out, float* sums) {
  convolve_row<5>(row, rows, taps, shift, out, sums);
  convolve_rest<5>(row, rows, taps, shift, out, sums);
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

void convolve_depthwise(const ImageRows& in, std::int64_t begin, std::int64_t end, const DepthwiseShape& shape,
                        const float* taps, const Epilogue& epilogue, float* out, float* sums, int threads) {
  const Row row{in.width, in.channels, shape, epilogue.activation};
  const auto function = shape.kernel == 3 ? convolve_row_3 : convolve_row_5;
#pragma omp parallel for num_threads(threads) schedule(static)
  for (std::int64_t y = begin; y < end; ++y) {
    Window rows{};
    for (std::int64_t i = 0; i < shape.kernel; ++i) {
      const std::int64_t from = y * shape.stride - shape.before + i * shape.dilation;
      if (from >= 0 && from < in.height) rows[static_cast<std::size_t>(i)] = in.at(from, 0);
    }
    function(row, rows, taps, epilogue.shift, out + (y - begin) * shape.out_width * in.channels,
             sums == nullptr ? nullptr : sums + (y - begin) * in.channels);
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
