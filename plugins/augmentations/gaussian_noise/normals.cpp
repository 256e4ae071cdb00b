// SPDX-License-Identifier: Apache-2.0
#include "normals.hpp"

#include <cmath>

#include <osteon/sdk/vector_math.hpp>

namespace osteon::augmentations {
namespace {

using sdk::vector_log;
using sdk::vector_select;

constexpr int kLanes = kNormals / 4;  // blocks of four words

// Four words of each block, as sdk::philox makes them of the counter {block, 0, 0}.
OSTEON_INLINE void philox_lanes(std::array<std::uint32_t, 2> key, std::uint64_t first, std::uint32_t (&w)[4][kLanes]) {
  for (int i = 0; i < kLanes; ++i) {
    const std::uint64_t block = first + static_cast<std::uint64_t>(i);
    w[0][i] = static_cast<std::uint32_t>(block);
    w[1][i] = static_cast<std::uint32_t>(block >> 32);
    w[2][i] = w[3][i] = 0;
  }
  for (int round = 0; round < 10; ++round) {
    OSTEON_VECTOR_LOOP
    for (int i = 0; i < kLanes; ++i) {
      const std::uint64_t a = std::uint64_t{0xD2511F53} * w[0][i];
      const std::uint64_t b = std::uint64_t{0xCD9E8D57} * w[2][i];
      w[0][i] = static_cast<std::uint32_t>(b >> 32) ^ w[1][i] ^ key[0];
      w[2][i] = static_cast<std::uint32_t>(a >> 32) ^ w[3][i] ^ key[1];
      w[1][i] = static_cast<std::uint32_t>(b);
      w[3][i] = static_cast<std::uint32_t>(a);
    }
    key[0] += 0x9E3779B9;
    key[1] += 0xBB67AE85;
  }
}

// sin and cos of 2 pi u for 0 <= u < 1, within 1e-7: of the rest after the nearest quarter turn, by Taylor's series.
OSTEON_INLINE void turn(float u, float& sine, float& cosine) {
  const float quarters = 4 * u;
  const std::int32_t quarter = static_cast<std::int32_t>(quarters + 0.5f);
  const float x = (quarters - static_cast<float>(quarter)) * 1.57079633f;
  const float x2 = x * x;
  const float s =
      x * (1 + x2 * (-1.66666667e-1f + x2 * (8.33333333e-3f + x2 * (-1.98412698e-4f + x2 * 2.75573192e-6f))));
  const float c = 1 + x2 * (-0.5f + x2 * (4.16666667e-2f + x2 * (-1.38888889e-3f + x2 * 2.48015873e-5f)));
  const bool swap = (quarter & 1) != 0;
  const float s_sign = vector_select((quarter & 2) != 0, -1, 1);
  const float c_sign = vector_select(((quarter + 1) & 2) != 0, -1, 1);
  sine = s_sign * vector_select(swap, c, s);
  cosine = c_sign * vector_select(swap, s, c);
}

// 24 bits as a number above 0, at most 1; and from 0, below 1.
OSTEON_INLINE float unit_above_zero(std::uint32_t word) {
  return static_cast<float>(static_cast<std::int32_t>(word >> 8) + 1) * 0x1p-24f;
}
OSTEON_INLINE float unit_below_one(std::uint32_t word) {
  return static_cast<float>(static_cast<std::int32_t>(word >> 8)) * 0x1p-24f;
}

}  // namespace

OSTEON_MULTIVERSION void normals(std::array<std::uint32_t, 2> key, std::uint64_t group, float* out) {
  alignas(64) std::uint32_t words[4][kLanes];
  philox_lanes(key, group * kLanes, words);
  for (int pair = 0; pair < 2; ++pair) {
    const std::uint32_t* lengths = words[2 * pair];
    const std::uint32_t* turns = words[2 * pair + 1];
    float* sines = out + 2 * pair * kLanes;
    float* cosines = sines + kLanes;
    OSTEON_VECTOR_LOOP
    for (int i = 0; i < kLanes; ++i) {
      const float radius = std::sqrt(-2 * vector_log(unit_above_zero(lengths[i])));
      float sine, cosine;
      turn(unit_below_one(turns[i]), sine, cosine);
      sines[i] = radius * sine;
      cosines[i] = radius * cosine;
    }
  }
}

}  // namespace osteon::augmentations
