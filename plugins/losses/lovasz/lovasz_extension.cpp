// SPDX-License-Identifier: Apache-2.0
#include "lovasz_extension.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace osteon::losses {
namespace {

// An item is a key that grows as the error falls, whether the pixel is of the class, and the pixel.
constexpr int kKeyShift = 32;
constexpr std::uint32_t kSet = 0x80000000u;

float error_of(std::uint64_t item) {
  const auto bits = ~static_cast<std::uint32_t>(item >> kKeyShift);
  float error;
  std::memcpy(&error, &bits, sizeof error);
  return error;
}

}  // namespace

std::uint64_t ErrorList::item(std::uint32_t pixel, bool set, float error) {
  std::uint32_t bits;
  std::memcpy(&bits, &error, sizeof bits);
  bits &= 0x7fffffffu;  // a NaN may have a sign; without it, it comes first
  return std::uint64_t{~bits} << kKeyShift | (set ? kSet : 0u) | pixel;
}

// By radix, the lowest of three digits first: stable, and linear in the number of pixels.
void ErrorList::sort() {
  constexpr int kDigits = 3, kBits = 11;
  constexpr std::uint64_t kMask = (1u << kBits) - 1;
  const auto digit = [](std::uint64_t item, int d) { return item >> (kKeyShift + d * kBits) & kMask; };
  std::uint32_t begins[kDigits][kMask + 1] = {};
  for (std::int64_t i = 0; i < count_; ++i)
    for (int d = 0; d < kDigits; ++d) ++begins[d][digit(items_[i], d)];
  for (int d = 0; d < kDigits; ++d) {
    std::uint32_t begin = 0;
    for (std::uint32_t& bucket : begins[d]) begin += std::exchange(bucket, begin);
    for (std::int64_t i = 0; i < count_; ++i) spare_[begins[d][digit(items_[i], d)]++] = items_[i];
    std::swap(items_, spare_);
  }
}

ErrorList::Extension ErrorList::extend(double total, const float* weight) {
  sort();
  float* slopes = reinterpret_cast<float*>(spare_);
  std::fill_n(slopes, pixels_, 0.0f);
  // Of the set of pixels down to this one as what is wrong: what is right of the class, and the union; the Jaccard
  // loss.
  double right = total, united = total, before = 0, value = 0;
  for (std::int64_t i = 0; i < count_; ++i) {
    const auto low = static_cast<std::uint32_t>(items_[i]);
    const std::uint32_t pixel = low & ~kSet;
    const bool set = (low & kSet) != 0;
    const double counts = weight != nullptr ? static_cast<double>(weight[pixel]) : 1.0;
    if (set)
      right -= counts;
    else
      united += counts;
    const double jaccard = united > 0 ? 1 - right / united : 0;
    const double slope = jaccard - before;
    before = jaccard;
    value += static_cast<double>(error_of(items_[i])) * slope;
    slopes[pixel] = static_cast<float>(set ? -slope : slope);
  }
  count_ = 0;
  return {value, slopes};
}

}  // namespace osteon::losses
