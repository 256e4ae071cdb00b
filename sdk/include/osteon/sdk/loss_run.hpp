// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include <osteon/sdk/vector_math.hpp>

/// What a run of pixels of one class is held against, for loops over them. A loss writes its loop once, as a template
/// over the kind of run, and compiles it for both:
///
///     template <class Run>
///     OSTEON_INLINE double my_loop(const float* logits, Run run, std::int64_t count, float* values) {
///       OSTEON_VECTOR_LOOP
///       for (std::int64_t p = 0; p < count; ++p) values[p] = run.weigh(p, run.mix(p, off(logits[p]), on(logits[p])));
///       return vector_sum(values, count);
///     }
///     OSTEON_MULTIVERSION double my_run(const float* x, BitRun r, std::int64_t n, float* v) { return my_loop(x, r, n,
///     v); } OSTEON_MULTIVERSION double my_run(const float* x, SoftRun r, std::int64_t n, float* v) { return my_loop(x,
///     r, n, v); }
///
/// and LossInput::with_run gives the one that fits the input.
namespace osteon::sdk {

/// Targets as bits; a pixel counts once or, where it is not valid, not at all.
struct BitRun {
  static constexpr bool kBits = true;
  const std::uint32_t* plane;
  const std::uint8_t* valid;
  unsigned bit;

  OSTEON_INLINE bool set(std::int64_t p) const noexcept { return ((plane[p] >> bit) & 1u) != 0; }
  /// (1 - target) off + target on.
  OSTEON_INLINE float mix(std::int64_t p, float off, float on) const noexcept { return vector_select(set(p), on, off); }
  /// x, or -x where the bit is set: mix(p, x, -x) in fewer steps. Of a logit: how wrong it is; of the slope of that:
  /// the logit's.
  OSTEON_INLINE float turn(std::int64_t p, float x) const noexcept {
    return detail::as_float(detail::as_bits(x) ^ (plane[p] >> bit << 31));
  }
  /// x times what the pixel counts; 0 where that is nothing, whatever x is.
  OSTEON_INLINE float weigh(std::int64_t p, float x) const noexcept { return vector_select(valid[p] != 0, x, 0); }
};

/// Targets between 0 and 1, and what each pixel counts: 0 where it is not valid.
struct SoftRun {
  static constexpr bool kBits = false;
  const float* target;
  const float* weight;

  OSTEON_INLINE float mix(std::int64_t p, float off, float on) const noexcept { return off + target[p] * (on - off); }
  OSTEON_INLINE float weigh(std::int64_t p, float x) const noexcept {
    return vector_select(weight[p] != 0, weight[p] * x, 0);
  }
};

}  // namespace osteon::sdk
