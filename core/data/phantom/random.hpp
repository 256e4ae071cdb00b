// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstdint>
#include <initializer_list>

namespace osteon::data::phantom {

/// A stream of random numbers that is a pure function of (seed, path) and the same on every platform, which the
/// distributions of <random> are not. The generator is SplitMix64 (Steele, Lea and Flood, 2014).
class Random {
 public:
  Random(std::uint64_t seed, std::initializer_list<std::uint64_t> path) : state_(seed) {
    for (std::uint64_t step : path) state_ = bits() ^ (step * 0xD1342543DE82EF95ull);
  }

  std::uint64_t bits() {
    std::uint64_t z = (state_ += 0x9E3779B97F4A7C15ull);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
  }

  /// In [0, 1).
  double uniform() { return static_cast<double>(bits() >> 11) * 0x1p-53; }
  double uniform(double low, double high) { return low + (high - low) * uniform(); }

  /// Bell-shaped, standard deviation 1, never beyond 4.3: the sum of six uniforms. Bounded tails keep bones in place.
  double normal() {
    double sum = -3;
    for (int i = 0; i < 6; ++i) sum += uniform();
    return sum * 1.4142135623730951;
  }
  double normal(double mean, double deviation) { return mean + deviation * normal(); }

  bool chance(double probability) { return uniform() < probability; }
  /// In [0, n).
  int below(int n) { return static_cast<int>(bits() % static_cast<std::uint64_t>(n)); }

 private:
  std::uint64_t state_;
};

}  // namespace osteon::data::phantom
