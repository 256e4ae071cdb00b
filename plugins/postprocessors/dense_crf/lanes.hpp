// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include <osteon/sdk/call.hpp>
#include <osteon/sdk/vector_math.hpp>

namespace osteon::dense_crf {

/// Eight floats: one register of AVX2. Needs no alignment.
using Eight = float __attribute__((vector_size(32), aligned(4), may_alias));

/// Values of sixteen classes at one pixel or vertex. Two registers of AVX2 and no type of 64 bytes, which compilers
/// move through memory where registers are smaller. Passed by reference alone: by value, each version of a
/// multiversioned function would pass it differently.
struct Lanes {
  Eight low, high;
};
constexpr std::int64_t kLanes = 16;

OSTEON_INLINE Lanes operator+(const Lanes& a, const Lanes& b) { return {a.low + b.low, a.high + b.high}; }
OSTEON_INLINE Lanes operator-(const Lanes& a, const Lanes& b) { return {a.low - b.low, a.high - b.high}; }
OSTEON_INLINE Lanes operator*(const Lanes& a, float b) { return {a.low * b, a.high * b}; }
OSTEON_INLINE Lanes& operator+=(Lanes& a, const Lanes& b) { return a = a + b; }
OSTEON_INLINE Lanes greater(const Lanes& a, const Lanes& b) {
  return {a.low > b.low ? a.low : b.low, a.high > b.high ? a.high : b.high};
}
OSTEON_INLINE float* floats(Lanes* lanes) { return reinterpret_cast<float*>(lanes); }
OSTEON_INLINE const float* floats(const Lanes* lanes) { return reinterpret_cast<const float*>(lanes); }

OSTEON_INLINE void fill_zero(Lanes* values, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) values[i] = Lanes{};
}

/// `count` Lanes of the host's memory.
class LaneBuffer {
 public:
  LaneBuffer() = default;
  LaneBuffer(const sdk::Call& call, std::int64_t count)
      : memory_(call.allocate<float>({count, kLanes})), data_(reinterpret_cast<Lanes*>(memory_.data<float>())) {}
  Lanes* data() const noexcept { return data_; }

 private:
  sdk::OwnedTensor memory_;
  Lanes* data_ = nullptr;
};

}  // namespace osteon::dense_crf
