// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

/// The Lovász extension of the Jaccard loss for the pixels of one class.
namespace osteon::losses {

/// Pixels of which an error above 0 is known. Those without one change nothing, and are not listed.
class ErrorList {
 public:
  /// For at most `pixels` errors of pixels 0 .. pixels - 1, in memory for words_for(pixels) numbers.
  ErrorList(std::uint64_t* memory, std::int64_t pixels) : items_(memory), spare_(memory + pixels), pixels_(pixels) {}
  static std::int64_t words_for(std::int64_t pixels) { return 2 * pixels; }

  /// Lists a pixel if it counts and its error is above 0, or NaN. `set`: it is of the class.
  void add(std::int64_t pixel, bool set, float error, bool counts) {
    items_[count_] = item(static_cast<std::uint32_t>(pixel), set, error);
    count_ += counts && !(error <= 0) ? 1 : 0;
  }

  struct Extension {
    double value;
    /// Of every pixel of 0 .. pixels - 1: d value / d error, with a minus where it is of the class. In the list's
    /// memory.
    const float* slopes;
  };

  /// `total`: what the pixels of the class count together. `weight`: what each counts; null: 1. Empties the list.
  Extension extend(double total, const float* weight);

 private:
  static std::uint64_t item(std::uint32_t pixel, bool set, float error);
  void sort();

  std::uint64_t* items_;
  std::uint64_t* spare_;
  std::int64_t pixels_;
  std::int64_t count_ = 0;
};

}  // namespace osteon::losses
