// SPDX-License-Identifier: Apache-2.0
#include "gemm.hpp"

#include <algorithm>

#include <osteon/sdk/vector_math.hpp>

#include "lanes.hpp"

namespace osteon::layers::kernels {
namespace {

/// Where a product goes: into memory, or through an epilogue into a convolution's output.
struct Store {
  float* c;
  std::int64_t stride;
  bool add;  ///< to what is there

  OSTEON_INLINE void begin(std::int64_t row, std::int64_t column, Lanes& sum) const {
    sum = add ? lanes_at(c + row * stride + column) : Lanes{};
  }
  OSTEON_INLINE void end(std::int64_t row, std::int64_t column, const Lanes& sum) const {
    lanes_at(c + row * stride + column) = sum;
  }
};
struct Finish {
  const Epilogue& epilogue;
  std::int64_t first;    ///< channel that column 0 is
  std::int64_t columns;  ///< that the output has
  std::int64_t offset;   ///< of row 0 and column 0 in the output
  float* out;

  /// Asks for what end() will touch: the sums take long enough for it to arrive.
  OSTEON_INLINE void begin(std::int64_t row, std::int64_t column, Lanes& sum) const {
    const std::int64_t at = offset + row * columns + column;
    __builtin_prefetch(out + at, /*write=*/1);
    if (epilogue.residual != nullptr) __builtin_prefetch(epilogue.residual + at);
    sum = Lanes{};
  }
  OSTEON_INLINE void end(std::int64_t row, std::int64_t column, const Lanes& sum) const {
    finish(sum, epilogue, first + column, columns - first - column, offset + row * columns + column, out);
  }
};

/// The product of M rows and N Lanes of columns. All sums stay in registers: that, and that each number loaded is used
/// M or N times, is what makes it fast.
template <int M, int N, class End>
OSTEON_INLINE void multiply_block(const float* a, std::int64_t k, std::int64_t a_stride, const float* b,
                                  std::int64_t b_stride, std::int64_t row, std::int64_t column, const End& end) {
  Lanes sums[M][N];
  for (int i = 0; i < M; ++i)
    for (int j = 0; j < N; ++j) end.begin(row + i, column + j * kLanes, sums[i][j]);
  a += row * a_stride;
  for (std::int64_t p = 0; p < k; ++p, b += b_stride) {
    Lanes right[N];
    for (int j = 0; j < N; ++j) right[j] = lanes_at(b + j * kLanes);
    OSTEON_UNROLL_LOOP
    for (int i = 0; i < M; ++i) {
      const float left = a[i * a_stride + p];
      OSTEON_UNROLL_LOOP
      for (int j = 0; j < N; ++j) sums[i][j] += left * right[j];
    }
  }
  for (int i = 0; i < M; ++i)
    for (int j = 0; j < N; ++j) end.end(row + i, column + j * kLanes, sums[i][j]);
}

template <int M, int N, class End>
OSTEON_INLINE void multiply_rows(const float* a, std::int64_t rows, std::int64_t k, std::int64_t a_stride,
                                 const float* b, std::int64_t b_stride, std::int64_t column, const End& end) {
  std::int64_t r = 0;
  for (; r + M <= rows; r += M) multiply_block<M, N>(a, k, a_stride, b, b_stride, r, column, end);
  for (; r + 4 <= rows; r += 4) multiply_block<4, N>(a, k, a_stride, b, b_stride, r, column, end);
  for (; r < rows; ++r) multiply_block<1, N>(a, k, a_stride, b, b_stride, r, column, end);
}

/// One panel of `lanes` Lanes: 12 x 2 sums fill the 32 registers of AVX-512.
template <class End>
OSTEON_INLINE void multiply_in_32(const float* a, std::int64_t rows, std::int64_t k, std::int64_t a_stride,
                                  const float* b, int lanes, const End& end) {
  if (lanes == 2)
    multiply_rows<kRowsAtOnce, 2>(a, rows, k, a_stride, b, 2 * kLanes, 0, end);
  else
    multiply_rows<kRowsAtOnce, 1>(a, rows, k, a_stride, b, kLanes, 0, end);
}

/// One panel of `lanes` Lanes: 6 sums, of two registers each, fill the 16 registers of AVX2.
template <class End>
OSTEON_INLINE void multiply_in_16(const float* a, std::int64_t rows, std::int64_t k, std::int64_t a_stride,
                                  const float* b, int lanes, const End& end) {
  for (int j = 0; j < lanes; ++j)
    multiply_rows<6, 1>(a, rows, k, a_stride, b + j * kLanes, lanes * kLanes, j * kLanes, end);
}

OSTEON_MULTIVERSION void finish_in_32(const float* a, std::int64_t rows, std::int64_t k, std::int64_t a_stride,
                                      const float* b, int lanes, const Finish& end) {
  multiply_in_32(a, rows, k, a_stride, b, lanes, end);
}
OSTEON_MULTIVERSION void finish_in_16(const float* a, std::int64_t rows, std::int64_t k, std::int64_t a_stride,
                                      const float* b, int lanes, const Finish& end) {
  multiply_in_16(a, rows, k, a_stride, b, lanes, end);
}

bool has_32_registers() {
#if defined(__x86_64__)
  static const bool has = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl");
  return has;
#else
  return true;
#endif
}

int lanes_of_panel(std::int64_t first, std::int64_t columns) {
  return static_cast<int>(std::min(kPanel, padded(columns) - first) / kLanes);
}

}  // namespace

OSTEON_MULTIVERSION void multiply_in_32_registers(const float* a, std::int64_t rows, std::int64_t k,
                                                  std::int64_t a_stride, const float* panel, int lanes, float* c,
                                                  std::int64_t c_stride, bool add) {
  multiply_in_32(a, rows, k, a_stride, panel, lanes, Store{c, c_stride, add});
}

OSTEON_MULTIVERSION void multiply_in_16_registers(const float* a, std::int64_t rows, std::int64_t k,
                                                  std::int64_t a_stride, const float* panel, int lanes, float* c,
                                                  std::int64_t c_stride, bool add) {
  multiply_in_16(a, rows, k, a_stride, panel, lanes, Store{c, c_stride, add});
}

void pack_panels(const float* b, std::int64_t k, std::int64_t columns, std::int64_t row_stride,
                 std::int64_t column_stride, float* panels) {
  for (std::int64_t j = 0; j < columns; j += kPanel) {
    const std::int64_t width = std::min(kPanel, padded(columns) - j), count = std::min(kPanel, columns - j);
    for (std::int64_t p = 0; p < k; ++p, panels += width) {
      for (std::int64_t i = 0; i < count; ++i) panels[i] = b[p * row_stride + (j + i) * column_stride];
      std::fill(panels + count, panels + width, 0.0f);
    }
  }
}

void scale_panels(const float* panels, std::int64_t k, std::int64_t columns, const float* factors, float* scaled) {
  for (std::int64_t j = 0; j < columns; j += kPanel) {
    const std::int64_t width = std::min(kPanel, padded(columns) - j);
    for (std::int64_t p = 0; p < k; ++p, panels += width, scaled += width)
      for (std::int64_t i = 0; i < width; ++i) scaled[i] = panels[i] * factors[p];
  }
}

void multiply(const float* a, std::int64_t rows, std::int64_t k, std::int64_t a_stride, const float* panels,
              std::int64_t columns, float* c, std::int64_t c_stride, bool add) {
  const auto function = has_32_registers() ? multiply_in_32_registers : multiply_in_16_registers;
  for (std::int64_t j = 0; j < columns; j += kPanel)
    function(a, rows, k, a_stride, panels + j * k, lanes_of_panel(j, columns), c + j, c_stride, add);
}

void multiply_and_finish(const float* a, std::int64_t rows, std::int64_t k, std::int64_t a_stride, const float* panels,
                         std::int64_t columns, const Epilogue& epilogue, std::int64_t first, float* out) {
  const auto function = has_32_registers() ? finish_in_32 : finish_in_16;
  for (std::int64_t j = 0; j < columns; j += kPanel)
    function(a, rows, k, a_stride, panels + j * k, lanes_of_panel(j, columns),
             Finish{epilogue, j, columns, first * columns + j, out});
}

}  // namespace osteon::layers::kernels
