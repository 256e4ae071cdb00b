// SPDX-License-Identifier: Apache-2.0
#include "kernels.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include <omp.h>

#include <osteon/sdk/vector_math.hpp>

namespace osteon::layers::kernels {
namespace {

using sdk::vector_exp;
using sdk::vector_select;

constexpr std::int64_t kLanes = 16;
/// Below so many floats a second thread costs more than it saves.
constexpr std::int64_t kSmall = 16384;

/// Gives each thread one contiguous share of [0, count): body(begin, end, thread). `floats` is the size of the work.
template <class Body>
void parallel(std::int64_t count, std::int64_t floats, int threads, const Body& body) {
  const int used = floats < kSmall ? 1 : static_cast<int>(std::min<std::int64_t>(threads, count));
#pragma omp parallel for num_threads(used) schedule(static) if (used > 1)
  for (int share = 0; share < used; ++share) body(count * share / used, count * (share + 1) / used, share);
}

OSTEON_INLINE float fold_sum(float* lanes) {
  for (std::int64_t width = kLanes / 2; width > 0; width /= 2)
    for (std::int64_t i = 0; i < width; ++i) lanes[i] += lanes[i + width];
  return lanes[0];
}

/// Abramowitz and Stegun, Handbook of mathematical functions, 7.1.26: the complementary error function within 1.5e-7.
OSTEON_INLINE float gelu_of(float x) {
  const float z = sdk::detail::as_float(sdk::detail::as_bits(x) & 0x7fffffffu) * 0.70710678f;
  const float t = 1.0f / (1.0f + 0.3275911f * z);
  float p = 1.061405429f;
  p = p * t - 1.453152027f;
  p = p * t + 1.421413741f;
  p = p * t - 0.284496736f;
  p = p * t + 0.254829592f;
  const float half_erfc = 0.5f * p * t * vector_exp(-z * z);
  return x * vector_select(x < 0, half_erfc, 1.0f - half_erfc);
}

OSTEON_MULTIVERSION void gelu_span(float* x, std::int64_t count) {
  OSTEON_VECTOR_LOOP
  for (std::int64_t i = 0; i < count; ++i) x[i] = gelu_of(x[i]);
}

OSTEON_MULTIVERSION void layer_norm_rows(const float* x, std::int64_t rows, std::int64_t channels, const float* weight,
                                         const float* bias, float epsilon, float* y) {
  const float share = 1.0f / static_cast<float>(channels);
  for (std::int64_t r = 0; r < rows; ++r, x += channels, y += channels) {
    float sums[kLanes] = {}, squares[kLanes] = {};
    std::int64_t c = 0;
    for (; c + kLanes <= channels; c += kLanes)
      for (std::int64_t i = 0; i < kLanes; ++i) sums[i] += x[c + i];
    for (std::int64_t i = 0; c + i < channels; ++i) sums[i] += x[c + i];
    const float mean = fold_sum(sums) * share;
    for (c = 0; c + kLanes <= channels; c += kLanes)
      for (std::int64_t i = 0; i < kLanes; ++i) squares[i] += (x[c + i] - mean) * (x[c + i] - mean);
    for (std::int64_t i = 0; c + i < channels; ++i) squares[i] += (x[c + i] - mean) * (x[c + i] - mean);
    const float scale = 1.0f / std::sqrt(fold_sum(squares) * share + epsilon);
    OSTEON_VECTOR_LOOP
    for (std::int64_t i = 0; i < channels; ++i) y[i] = (x[i] - mean) * scale * weight[i] + bias[i];
  }
}

OSTEON_MULTIVERSION void softmax_rows(float* x, std::int64_t rows, std::int64_t columns, float scale) {
  for (std::int64_t r = 0; r < rows; ++r, x += columns) {
    float tops[kLanes], sums[kLanes] = {};
    for (std::int64_t i = 0; i < kLanes; ++i) tops[i] = x[0];
    std::int64_t c = 0;
    for (; c + kLanes <= columns; c += kLanes)
      for (std::int64_t i = 0; i < kLanes; ++i) tops[i] = vector_select(x[c + i] > tops[i], x[c + i], tops[i]);
    for (; c < columns; ++c) tops[0] = std::max(tops[0], x[c]);
    const float top = *std::max_element(tops, tops + kLanes);
    for (c = 0; c + kLanes <= columns; c += kLanes)
      for (std::int64_t i = 0; i < kLanes; ++i) {
        x[c + i] = vector_exp((x[c + i] - top) * scale);
        sums[i] += x[c + i];
      }
    for (; c < columns; ++c) {
      x[c] = vector_exp((x[c] - top) * scale);
      sums[0] += x[c];
    }
    const float share = 1.0f / fold_sum(sums);
    OSTEON_VECTOR_LOOP
    for (std::int64_t i = 0; i < columns; ++i) x[i] *= share;
  }
}

OSTEON_MULTIVERSION void add_scaled_rows(const float* x, std::int64_t rows, std::int64_t channels, const float* scale,
                                         float* y) {
  for (std::int64_t r = 0; r < rows; ++r, x += channels, y += channels) {
    OSTEON_VECTOR_LOOP
    for (std::int64_t i = 0; i < channels; ++i) y[i] += x[i] * scale[i];
  }
}

OSTEON_MULTIVERSION void add_span(const float* x, std::int64_t count, float* y) {
  OSTEON_VECTOR_LOOP
  for (std::int64_t i = 0; i < count; ++i) y[i] += x[i];
}

OSTEON_MULTIVERSION void affine_relu_rows(float* x, std::int64_t rows, std::int64_t channels, const float* scale,
                                          const float* shift) {
  for (std::int64_t r = 0; r < rows; ++r, x += channels) {
    OSTEON_VECTOR_LOOP
    for (std::int64_t i = 0; i < channels; ++i) {
      const float y = x[i] * scale[i] + shift[i];
      x[i] = vector_select(y < 0, 0.0f, y);  // a NaN stays one
    }
  }
}

/// y <- y + (1 - f) * a + f * b
OSTEON_MULTIVERSION void add_blend(const float* a, const float* b, float f, std::int64_t count, float* y) {
  OSTEON_VECTOR_LOOP
  for (std::int64_t i = 0; i < count; ++i) y[i] += (1 - f) * a[i] + f * b[i];
}

/// Where a pixel of the fine grid lies between two of the coarse one.
struct Position {
  std::int64_t low, high;
  float fraction;  ///< of high
};

Position position(std::int64_t fine, std::int64_t fine_size, std::int64_t coarse_size) {
  const float scale = static_cast<float>(coarse_size) / static_cast<float>(fine_size);
  const float at = std::max(0.0f, (static_cast<float>(fine) + 0.5f) * scale - 0.5f);
  const std::int64_t low = std::min(static_cast<std::int64_t>(at), coarse_size - 1);
  return {low, std::min(low + 1, coarse_size - 1), at - static_cast<float>(low)};
}

void add_upsampled_row(const Upsampled& s, std::int64_t height, std::int64_t width, std::int64_t y, float* rows,
                       float* out) {
  const std::int64_t row = s.width * s.channels, reach = s.taps / 2;
  std::fill(rows, rows + s.taps * row, 0.0f);
  for (std::int64_t dy = 0; dy < s.taps; ++dy) {
    const std::int64_t from = y + dy - reach;
    if (from < 0 || from >= height) continue;
    const Position p = position(from, height, s.height);
    for (std::int64_t dx = 0; dx < s.taps; ++dx) {
      const float* map = s.maps[static_cast<std::size_t>(dy * s.taps + dx)];
      add_blend(map + (p.low - s.first_row) * row, map + (p.high - s.first_row) * row, p.fraction, row,
                rows + dx * row);
    }
  }
  for (std::int64_t x = 0; x < width; ++x, out += s.channels)
    for (std::int64_t dx = 0; dx < s.taps; ++dx) {
      const std::int64_t from = x + dx - reach;
      if (from < 0 || from >= width) continue;
      const Position p = position(from, width, s.width);
      add_blend(rows + dx * row + p.low * s.channels, rows + dx * row + p.high * s.channels, p.fraction, s.channels,
                out);
    }
}

}  // namespace

void gelu(float* x, std::int64_t count, int threads) {
  parallel(count, count, threads,
           [&](std::int64_t begin, std::int64_t end, int) { gelu_span(x + begin, end - begin); });
}

void layer_norm(const float* x, std::int64_t rows, std::int64_t channels, const float* weight, const float* bias,
                float epsilon, float* y, int threads) {
  parallel(rows, rows * channels, threads, [&](std::int64_t begin, std::int64_t end, int) {
    layer_norm_rows(x + begin * channels, end - begin, channels, weight, bias, epsilon, y + begin * channels);
  });
}

void softmax(float* x, std::int64_t rows, std::int64_t columns, float scale, int threads) {
  parallel(rows, rows * columns, threads, [&](std::int64_t begin, std::int64_t end, int) {
    softmax_rows(x + begin * columns, end - begin, columns, scale);
  });
}

void add_scaled(const float* x, std::int64_t rows, std::int64_t channels, const float* scale, float* y, int threads) {
  parallel(rows, rows * channels, threads, [&](std::int64_t begin, std::int64_t end, int) {
    if (scale == nullptr)
      add_span(x + begin * channels, (end - begin) * channels, y + begin * channels);
    else
      add_scaled_rows(x + begin * channels, end - begin, channels, scale, y + begin * channels);
  });
}

void affine_relu(float* x, std::int64_t rows, std::int64_t channels, const float* scale, const float* shift,
                 int threads) {
  parallel(rows, rows * channels, threads, [&](std::int64_t begin, std::int64_t end, int) {
    affine_relu_rows(x + begin * channels, end - begin, channels, scale, shift);
  });
}

RowRange coarse_rows(std::int64_t begin, std::int64_t end, std::int64_t height, std::int64_t coarse_height, int taps) {
  const std::int64_t reach = taps / 2;
  return {position(std::max<std::int64_t>(0, begin - reach), height, coarse_height).low,
          position(std::min(height, end + reach) - 1, height, coarse_height).high + 1};
}

void add_upsampled(const Upsampled& source, std::int64_t height, std::int64_t width, std::int64_t begin,
                   std::int64_t end, float* out, int threads) {
  const std::int64_t scratch = source.taps * source.width * source.channels, row = width * source.channels;
  std::vector<float> rows(static_cast<std::size_t>(scratch * threads));
  parallel(end - begin, (end - begin) * row, threads, [&](std::int64_t first, std::int64_t last, int thread) {
    for (std::int64_t y = first; y < last; ++y)
      add_upsampled_row(source, height, width, begin + y, rows.data() + thread * scratch, out + y * row);
  });
}

}  // namespace osteon::layers::kernels
