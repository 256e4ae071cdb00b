// SPDX-License-Identifier: Apache-2.0
#include "data/bit_count.hpp"

namespace osteon::data {
namespace {

/// Full adder on 32 counters at once: a + b + c = 2 * carry + sum.
struct Sum {
  std::uint32_t carry;
  std::uint32_t sum;
};

inline Sum add3(std::uint32_t a, std::uint32_t b, std::uint32_t c) noexcept {
  const std::uint32_t half = a ^ b;
  return {(a & b) | (half & c), half ^ c};
}

}  // namespace

void BitCounter::add(const std::uint32_t* words) noexcept {
  Slice carry;
  // The body is one straight line per lane, so that the loop over lanes becomes vector instructions.
  for (int l = 0; l < kLanes; ++l) {
    const auto word = [&](int i) { return words[i * kLanes + l]; };
    Sum one{0, low_[0][l]};
    std::uint32_t two[8];
    for (int i = 0; i < 8; ++i) {
      one = add3(one.sum, word(2 * i), word(2 * i + 1));
      two[i] = one.carry;
    }
    Sum twos{0, low_[1][l]};
    std::uint32_t four[4];
    for (int i = 0; i < 4; ++i) {
      twos = add3(twos.sum, two[2 * i], two[2 * i + 1]);
      four[i] = twos.carry;
    }
    Sum fours = add3(low_[2][l], four[0], four[1]);
    const std::uint32_t eight = fours.carry;
    fours = add3(fours.sum, four[2], four[3]);
    const Sum eights = add3(low_[3][l], eight, fours.carry);
    low_[0][l] = one.sum;
    low_[1][l] = twos.sum;
    low_[2][l] = fours.sum;
    low_[3][l] = eights.sum;
    carry[l] = eights.carry;
  }
  for (Slice& slice : high_) {
    for (int l = 0; l < kLanes; ++l) {
      const std::uint32_t next = slice[l] & carry[l];
      slice[l] ^= carry[l];
      carry[l] = next;
    }
  }
  if (++blocks_ == (1 << kHighSlices) - 1) spill();
}

void BitCounter::spill() noexcept {
  const auto spill_slice = [this](Slice& slice, std::int64_t weight) {
    for (std::uint32_t& word : slice) {
      for (std::uint32_t rest = word; rest != 0; rest &= rest - 1) totals_[__builtin_ctz(rest)] += weight;
      word = 0;
    }
  };
  for (int i = 0; i < 4; ++i) spill_slice(low_[i], std::int64_t{1} << i);
  for (int i = 0; i < kHighSlices; ++i) spill_slice(high_[i], std::int64_t{16} << i);
  blocks_ = 0;
}

std::array<std::int64_t, 32> BitCounter::counts() noexcept {
  spill();
  return totals_;
}

}  // namespace osteon::data
