// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <osteon/sdk/call.hpp>
#include <osteon/sdk/dispatch.hpp>
#include <osteon/sdk/vector_math.hpp>

namespace osteon::dense_crf {

/// Values of sixteen classes at one pixel or vertex, as they lie in memory. Code reads them as the type below that its
/// processor has registers for.
struct Lanes {
  float values[16];
};
constexpr std::int64_t kLanes = 16;

/// Registers of plain x86-64, of AVX2 and of AVX-512. They need no alignment. Passed by reference alone: by value, each
/// version of a function would pass them differently.
using Four = float __attribute__((vector_size(16), aligned(4), may_alias));
using Eight = float __attribute__((vector_size(32), aligned(4), may_alias));
using Sixteen = float __attribute__((vector_size(64), aligned(4), may_alias));

/// Lanes where one register does not hold them: compilers would move a Sixteen through memory there.
struct TwoEights {
  Eight parts[2];
};
struct FourFours {
  Four parts[4];
};

/// Calls f with each register of `lanes`, or of two at once.
template <class V, class F>
OSTEON_INLINE void for_registers(V& lanes, F&& f) {
  for (auto& part : lanes.parts) f(part);
}
template <class F>
OSTEON_INLINE void for_registers(Sixteen& lanes, F&& f) {
  f(lanes);
}
template <class V, class F>
OSTEON_INLINE void for_registers(V& a, const V& b, F&& f) {
  for (std::size_t i = 0; i < sizeof a.parts / sizeof *a.parts; ++i) f(a.parts[i], b.parts[i]);
}
template <class F>
OSTEON_INLINE void for_registers(Sixteen& a, const Sixteen& b, F&& f) {
  f(a, b);
}

template <class V>
using IfParts = std::enable_if_t<std::is_same_v<V, TwoEights> || std::is_same_v<V, FourFours>>;

template <class V, class = IfParts<V>>
OSTEON_INLINE V& operator+=(V& a, const V& b) {
  for_registers(a, b, [](auto& x, const auto& y) OSTEON_INLINE_LAMBDA { x += y; });
  return a;
}
template <class V, class = IfParts<V>>
OSTEON_INLINE V& operator-=(V& a, const V& b) {
  for_registers(a, b, [](auto& x, const auto& y) OSTEON_INLINE_LAMBDA { x -= y; });
  return a;
}
template <class V, class = IfParts<V>>
OSTEON_INLINE V& operator*=(V& a, const V& b) {
  for_registers(a, b, [](auto& x, const auto& y) OSTEON_INLINE_LAMBDA { x *= y; });
  return a;
}
template <class V, class = IfParts<V>>
OSTEON_INLINE V& operator*=(V& a, float b) {
  for_registers(a, [b](auto& x) OSTEON_INLINE_LAMBDA { x *= b; });
  return a;
}
template <class V, class = IfParts<V>>
OSTEON_INLINE V operator+(V a, const V& b) {
  return a += b;
}
template <class V, class = IfParts<V>>
OSTEON_INLINE V operator-(V a, const V& b) {
  return a -= b;
}
template <class V, class = IfParts<V>>
OSTEON_INLINE V operator*(V a, float b) {
  return a *= b;
}

/// most = the greater of both, lane by lane.
template <class V>
OSTEON_INLINE void raise(V& most, const V& to) {
  for_registers(most, to, [](auto& x, const auto& y) OSTEON_INLINE_LAMBDA { x = y > x ? y : x; });
}

/// Body::run<V>(arguments...), where V is what Lanes are read as.
template <class Body, class... Arguments>
void on_lanes(Arguments... arguments) {
  sdk::dispatch<Body, Sixteen, TwoEights, FourFours>(arguments...);
}
template <class V>
OSTEON_INLINE V* as(Lanes* lanes) {
  return reinterpret_cast<V*>(lanes);
}
template <class V>
OSTEON_INLINE const V* as(const Lanes* lanes) {
  return reinterpret_cast<const V*>(lanes);
}

OSTEON_INLINE float* floats(Lanes* lanes) { return lanes->values; }
OSTEON_INLINE const float* floats(const Lanes* lanes) { return lanes->values; }

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
