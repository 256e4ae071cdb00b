// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

#include <osteon/sdk/vector_math.hpp>

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

/// What follows a convolution: y <- relu(y + shift + residual).
struct Epilogue {
  const float* shift = nullptr;     ///< per channel
  const float* residual = nullptr;  ///< as the output, or null
  bool relu = false;
};

/// Writes sums of Lanes of channels to the output: channels [first, first + count) of a pixel, which lie at `offset`.
OSTEON_INLINE void finish(const Lanes& sums, const Epilogue& epilogue, std::int64_t first, std::int64_t count,
                          std::int64_t offset, float* out) {
  if (count >= kLanes) {
    Lanes y = sums + lanes_at(epilogue.shift + first);
    if (epilogue.residual != nullptr) y += lanes_at(epilogue.residual + offset);
    if (epilogue.relu) y = y < 0.0f ? Lanes{} : y;  // a NaN stays one
    lanes_at(out + offset) = y;
    return;
  }
  for (std::int64_t i = 0; i < count; ++i) {
    float y = sums[i] + epilogue.shift[first + i];
    if (epilogue.residual != nullptr) y += epilogue.residual[offset + i];
    out[offset + i] = epilogue.relu && y < 0 ? 0 : y;
  }
}

}  // namespace osteon::layers::kernels
