// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <cstring>

/// Elementary functions that compilers turn into vector code, for loops over pixels.
///
/// The functions of libm are calls, and a call in a loop keeps it scalar. These are branchless arithmetic, inlined into
/// the loop. Their errors are measured over their range by tests/unit/sdk/vector_math_test.cpp.
///
///     OSTEON_MULTIVERSION void sigmoid(const float* x, std::int64_t n, float* y) {
///       OSTEON_VECTOR_LOOP
///       for (std::int64_t i = 0; i < n; ++i) y[i] = vector_sigmoid(x[i]).p;
///     }

/// Compiles a function for plain x86-64, AVX2 and AVX-512; the loader takes the best one that the processor has. In
/// builds at -O2, where GCC 12 does not vectorise, such functions are still built at -O3. Sanitizers are not up yet
/// when the loader asks, and other compilers and processors know no clones: there the macro is empty.
#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && defined(__OPTIMIZE__) && \
    !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
#define OSTEON_HAS_VERSIONS 1
#define OSTEON_MULTIVERSION \
  __attribute__((optimize("O3"), target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#else
#define OSTEON_MULTIVERSION
#endif

/// For what a multiversioned function calls: only inlined code is compiled for each version.
#define OSTEON_INLINE inline __attribute__((always_inline))
/// Likewise, behind the parameters of a lambda.
#define OSTEON_INLINE_LAMBDA __attribute__((always_inline))

/// In front of a loop: its rounds do not depend on each other. (Not `omp simd`: GCC settles that one's width before it
/// makes the clones, at plain x86-64's; it costs a factor of three.)
#if defined(__clang__)
#define OSTEON_VECTOR_LOOP _Pragma("clang loop vectorize(assume_safety)")
#else
#define OSTEON_VECTOR_LOOP _Pragma("GCC ivdep")
#endif

namespace osteon::sdk {
namespace detail {

OSTEON_INLINE float as_float(std::uint32_t bits) noexcept {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}
OSTEON_INLINE std::uint32_t as_bits(float value) noexcept {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

/// e^x within 2 ulp for -87.3 <= x <= 88.3.
OSTEON_INLINE float exp_in_range(float x) noexcept {
  // Adding 1.5 * 2^23 rounds to a whole number, which is then in the low bits: no conversion, no call.
  constexpr float kRounder = 12582912.0f;
  const float shifted = x * 1.44269504f + kRounder;
  const float n = shifted - kRounder;
  // ln 2 in two parts, so that n * ln 2 is exact where it matters (Cephes, expf).
  const float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = (p * r * r + r) + 1.0f;
  // The rounder's own low bits are 0. Multiplied, not added to the exponent: NaN stays NaN.
  return p * as_float((as_bits(shifted) << 23) + as_bits(1.0f));
}

/// atanh(s) / s for |s| <= 1/3 as a polynomial in s^2; relative error 4e-10.
OSTEON_INLINE float atanh_ratio(float s2) noexcept {
  float p = 0.1161216461f;
  p = p * s2 + 0.108532879f;
  p = p * s2 + 0.14296179f;
  p = p * s2 + 0.1999985317f;
  p = p * s2 + 0.3333333366f;
  return p * s2 + 1.0f;
}

}  // namespace detail

/// `condition ? yes : no` as arithmetic. Compilers turn the operator into branches where they may not compute the side
/// that is not taken (it could raise a floating-point exception), and a loop with branches stays scalar.
OSTEON_INLINE float vector_select(bool condition, float yes, float no) noexcept {
  const std::uint32_t mask = 0u - static_cast<std::uint32_t>(condition);
  return detail::as_float((detail::as_bits(yes) & mask) | (detail::as_bits(no) & ~mask));
}

/// e^x within 2 ulp for -87.3 <= x <= 88.3; beyond, the value at that end. NaN stays NaN.
OSTEON_INLINE float vector_exp(float x) noexcept {
  x = vector_select(x < -87.3f, -87.3f, x);
  return detail::exp_in_range(vector_select(x > 88.3f, 88.3f, x));
}

/// ln(1 + u) within 3 ulp for 0 <= u <= 1. NaN stays NaN.
OSTEON_INLINE float vector_log1p_unit(float u) noexcept {
  const float s = u / (2.0f + u);
  return 2.0f * s * detail::atanh_ratio(s * s);
}

/// ln(x) within 3 ulp for normal positive x (1.2e-38 to 3.4e38). NaN stays NaN.
OSTEON_INLINE float vector_log(float x) noexcept {
  // x = 2^e * m with m in [sqrt(1/2), sqrt(2)): adding makes the exponent field step at sqrt(2) * 2^k.
  const std::uint32_t bits = detail::as_bits(x) + (0x3f800000u - 0x3f3504f3u);
  const float e = static_cast<float>(static_cast<std::int32_t>(bits >> 23) - 127);
  const float m = detail::as_float((bits & 0x007fffffu) + 0x3f3504f3u);
  const float s = (m - 1.0f) / (m + 1.0f);
  const float ln_m = 2.0f * s * detail::atanh_ratio(s * s);
  const float ln_x = (ln_m + e * -2.12194440e-4f) + e * 0.693359375f;
  return vector_select(x == x, ln_x, x);
}

/// Both ends of a sigmoid, each accurate where it is small: p = 1 / (1 + e^-x), q = 1 - p; u = e^-|x|; slope = p q.
struct Sigmoid {
  float p, q, u, slope;
};
OSTEON_INLINE Sigmoid vector_sigmoid(float x) noexcept {
  const float negative = detail::as_float(detail::as_bits(x) | 0x80000000u);
  const float u = detail::exp_in_range(vector_select(negative < -87.3f, -87.3f, negative));
  const float large = 1.0f / (1.0f + u);
  const float small = u * large;
  return {vector_select(x < 0, small, large), vector_select(x < 0, large, small), u, small * large};
}

/// Sum of `count` floats in 32 interleaved lanes: the same on every instruction set.
OSTEON_INLINE double vector_sum(const float* values, std::int64_t count) noexcept {
  constexpr std::int64_t kLanes = 32;
  float lanes[kLanes] = {};
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes)
    for (std::int64_t lane = 0; lane < kLanes; ++lane) lanes[lane] += values[i + lane];
  double sum = 0;
  for (const float lane : lanes) sum += static_cast<double>(lane);
  for (; i < count; ++i) sum += static_cast<double>(values[i]);
  return sum;
}

/// Turns `classes` rows of `count` logits, `stride` apart, into logarithms of their softmax, in place.
/// `top` and `sum` are scratch of `count` floats.
OSTEON_INLINE void vector_log_softmax(float* rows, std::int64_t classes, std::int64_t stride, std::int64_t count,
                                      float* top, float* sum) noexcept {
  for (std::int64_t i = 0; i < count; ++i) top[i] = rows[i];
  for (std::int64_t k = 1; k < classes; ++k) {
    const float* row = rows + k * stride;
    OSTEON_VECTOR_LOOP
    for (std::int64_t i = 0; i < count; ++i) top[i] = vector_select(row[i] > top[i], row[i], top[i]);
  }
  for (std::int64_t i = 0; i < count; ++i) sum[i] = 0;
  for (std::int64_t k = 0; k < classes; ++k) {
    float* row = rows + k * stride;
    OSTEON_VECTOR_LOOP
    for (std::int64_t i = 0; i < count; ++i) {
      const float x = row[i] - top[i];
      row[i] = x;
      sum[i] += vector_exp(x);
    }
  }
  OSTEON_VECTOR_LOOP
  for (std::int64_t i = 0; i < count; ++i) sum[i] = vector_log(sum[i]);
  for (std::int64_t k = 0; k < classes; ++k) {
    float* row = rows + k * stride;
    OSTEON_VECTOR_LOOP
    for (std::int64_t i = 0; i < count; ++i) row[i] -= sum[i];
  }
}

}  // namespace osteon::sdk
