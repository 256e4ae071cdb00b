// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>

namespace osteon::data {

/// Counts, for each of the 32 bits of a word, in how many words it is set: 32 classes in one pass over a label plane.
///
/// Counters are bit-sliced: word k of `ones` holds the lowest digit of 32 counters, and 16 words are added by a tree of
/// carry-save adders (Harley and Seal's population count, kept apart by position). A word costs about six logical
/// operations whatever the labels look like, and every compiler turns them into vector instructions.
/// Not for several threads at once.
class BitCounter {
 public:
  static constexpr int kLanes = 8;
  static constexpr int kBlock = 16 * kLanes;  ///< words that `add` takes; pad the last block with zeros

  /// Adds `kBlock` words.
  void add(const std::uint32_t* words) noexcept;
  /// The counts of all words so far, by bit.
  std::array<std::int64_t, 32> counts() noexcept;

 private:
  static constexpr int kHighSlices = 12;
  void spill() noexcept;

  using Slice = std::array<std::uint32_t, kLanes>;
  std::array<Slice, 4> low_{};             ///< digits 1, 2, 4, 8
  std::array<Slice, kHighSlices> high_{};  ///< digits 16, 32, ...
  int blocks_ = 0;                         ///< since the last spill; the slices hold at most 2^12 - 1
  std::array<std::int64_t, 32> totals_{};
};

}  // namespace osteon::data
