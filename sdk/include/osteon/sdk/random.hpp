// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cmath>
#include <cstdint>

namespace osteon::sdk {

/// Philox4x32-10, a counter-based generator: block `counter` of the stream `key`, with no state to carry.
///
/// Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011. Checked against the paper's known answers.
inline std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter,
                                           std::array<std::uint32_t, 2> key) noexcept {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = std::uint64_t{0xD2511F53} * counter[0];
    const std::uint64_t b = std::uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<std::uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(b),
               static_cast<std::uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(a)};
    key[0] += 0x9E3779B9;
    key[1] += 0xBB67AE85;
  }
  return counter;
}

/// A stream of random numbers that a 128-bit key decides altogether. Not for two threads at once.
class Random {
 public:
  Random(std::uint64_t key0, std::uint64_t key1) noexcept
      : key_{static_cast<std::uint32_t>(key0), static_cast<std::uint32_t>(key0 >> 32)}, high_(key1) {}

  std::uint32_t bits() noexcept {
    if (used_ == 4) {
      block_ = philox({static_cast<std::uint32_t>(counter_), static_cast<std::uint32_t>(counter_ >> 32),
                       static_cast<std::uint32_t>(high_), static_cast<std::uint32_t>(high_ >> 32)},
                      key_);
      ++counter_;
      used_ = 0;
    }
    return block_[used_++];
  }

  /// Uniform in [0, 1), 53 bits.
  double uniform() noexcept {
    const std::uint64_t high = bits();
    return static_cast<double>(((high << 32) | bits()) >> 11) * 0x1.0p-53;
  }
  double uniform(double low, double high) noexcept { return low + (high - low) * uniform(); }
  bool chance(double p) noexcept { return uniform() < p; }

  /// Uniform in 0 .. n - 1, n at least 1.
  std::uint32_t below(std::uint32_t n) noexcept {
    return static_cast<std::uint32_t>((static_cast<std::uint64_t>(bits()) * n) >> 32);
  }

  /// Standard normal (Box and Muller).
  double normal() noexcept {
    const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform()));
    return radius * std::cos(6.283185307179586 * uniform());
  }

 private:
  std::array<std::uint32_t, 2> key_;
  std::uint64_t high_;
  std::uint64_t counter_ = 0;
  std::array<std::uint32_t, 4> block_{};
  int used_ = 4;
};

}  // namespace osteon::sdk
