// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>

#include <osteon/sdk/vector_math.hpp>

#include "activation.hpp"

/// In front of a loop with a constant number of rounds, which are to be written out: what it works on is in registers.
#if defined(__clang__)
#define OSTEON_UNROLL_LOOP _Pragma("clang loop unroll(full)")
#else
#define OSTEON_UNROLL_LOOP _Pragma("GCC unroll 16")
#endif

namespace osteon::layers::kernels {

/// Sixteen floats that are worked on together: one register of AVX-512, two of AVX2, four of plain x86-64. Where a
/// loop's sums have to stay in registers, compilers are told so by this type; elsewhere plain loops do. Needs no
/// alignment. Passed by reference alone: by value, each version of a multiversioned function would pass it differently.
using Lanes = float __attribute__((vector_size(64), aligned(4), may_alias));
constexpr std::int64_t kLanes = 16;

inline Lanes& lanes_at(float* p) { return *reinterpret_cast<Lanes*>(p); }
inline const Lanes& lanes_at(const float* p) { return *reinterpret_cast<const Lanes*>(p); }

/// Memory for floats, not initialised, that begins where a cache line does: Lanes that lie across two lines cost twice.
class Floats {
 public:
  explicit Floats(std::int64_t count) {
    const std::size_t bytes = static_cast<std::size_t>(count) * sizeof(float);
    values_.reset(static_cast<float*>(::operator new(bytes, kCacheLine)));
  }
  float* data() noexcept { return values_.get(); }
  const float* data() const noexcept { return values_.get(); }

 private:
  static constexpr std::align_val_t kCacheLine{64};
  struct Free {
    void operator()(float* p) const noexcept { ::operator delete(p, kCacheLine); }
  };
  std::unique_ptr<float, Free> values_;
};

/// One of the images that a convolution joins: pixels of one or several images side by side, [N, H, W, C].
struct Source {
  const float* pixels = nullptr;
  std::int64_t channels = 0;
  bool doubled = false;  ///< on a grid of half the size: every pixel stands for 2x2
};

/// What follows a convolution: y <- activation(y + shift + residual).
struct Epilogue {
  const float* shift = nullptr;     ///< per channel
  const float* residual = nullptr;  ///< as the output, or null
  Activation activation = Activation::kNone;
};

/// x <- x / (1 + e^-x), as sdk::vector_exp has it, but for Lanes: loops over their elements do not stay in registers.
OSTEON_INLINE void swish(Lanes& x) {
  using Bits = std::int32_t __attribute__((vector_size(64), aligned(4), may_alias));
  constexpr float kRounder = 12582912.0f;
  Lanes t = x < -88.3f ? Lanes{} + 88.3f : -x;
  t = t < -87.3f ? Lanes{} - 87.3f : t;
  const Lanes shifted = t * 1.44269504f + kRounder, n = shifted - kRounder;
  const Lanes r = (t - n * 0.693359375f) + n * 2.12194440e-4f;
  Lanes p = Lanes{} + 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = (p * r * r + r) + 1.0f;
  Bits bits;
  std::memcpy(&bits, &shifted, sizeof bits);
  bits = (bits - static_cast<std::int32_t>(0x4b400000) + 127) << 23;
  Lanes power;
  std::memcpy(&power, &bits, sizeof power);
  x = x / (1.0f + p * power);
}

/// A NaN stays one.
OSTEON_INLINE void activate(Lanes& x, Activation activation) {
  if (activation == Activation::kRelu) x = x < 0.0f ? Lanes{} : x;
  if (activation == Activation::kSwish) swish(x);
}

/// Writes sums of Lanes of channels to the output: channels [first, first + count) of a pixel, which lie at `offset`.
OSTEON_INLINE void finish(const Lanes& sums, const Epilogue& epilogue, std::int64_t first, std::int64_t count,
                          std::int64_t offset, float* out) {
  if (count >= kLanes) {
    Lanes y = sums + lanes_at(epilogue.shift + first);
    if (epilogue.residual != nullptr) y += lanes_at(epilogue.residual + offset);
    activate(y, epilogue.activation);
    lanes_at(out + offset) = y;
    return;
  }
  Lanes y = sums;
  for (std::int64_t i = 0; i < count; ++i) {
    y[i] += epilogue.shift[first + i];
    if (epilogue.residual != nullptr) y[i] += epilogue.residual[offset + i];
  }
  activate(y, epilogue.activation);
  for (std::int64_t i = 0; i < count; ++i) out[offset + i] = y[i];
}

}  // namespace osteon::layers::kernels
