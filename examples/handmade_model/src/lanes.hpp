// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstring>

#include <osteon/sdk/vector_math.hpp>

/// Eight numbers that are worked on at once: a vector type of the compiler's (GCC, Clang), so that no intrinsics are
/// needed.
typedef float Lanes __attribute__((vector_size(32)));
constexpr int kLanes = 8;

/// Eight numbers from or to any address of a float. By pointer, for how a vector is returned depends on the processor
/// that is compiled for.
OSTEON_INLINE void load(const float* from, Lanes* lanes) { std::memcpy(lanes, from, sizeof *lanes); }
OSTEON_INLINE void store(const Lanes& lanes, float* to) { std::memcpy(to, &lanes, sizeof lanes); }

OSTEON_INLINE float sum_of(const Lanes& lanes) {
  float sum = 0;
  for (int i = 0; i < kLanes; ++i) sum += lanes[i];
  return sum;
}
