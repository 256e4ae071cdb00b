// SPDX-License-Identifier: Apache-2.0
#include "logit_histogram.hpp"

#include <cmath>
#include <cstring>

namespace osteon::temperature {
namespace {

// Magnitudes of 2^-10 to 2^10 in 128 bins each octave; what is smaller or greater shares one.
constexpr std::int32_t kFirstExponent = 117, kLastExponent = 136, kPerOctave = 128;
constexpr std::int32_t kMagnitudes = (kLastExponent - kFirstExponent + 1) * kPerOctave + 2;

// The bin of a finite logit, from the bits of its exponent and the first of its mantissa.
std::size_t bin_of(float logit) {
  std::uint32_t bits;
  std::memcpy(&bits, &logit, sizeof bits);
  const auto step = static_cast<std::int32_t>((bits & 0x7fffffffu) >> 16);
  std::int32_t magnitude = step - kFirstExponent * kPerOctave + 1;
  magnitude = magnitude < 0 ? 0 : magnitude >= kMagnitudes ? kMagnitudes - 1 : magnitude;
  return static_cast<std::size_t>(magnitude + ((bits >> 31) != 0 ? kMagnitudes : 0));
}

}  // namespace

LogitHistogram::LogitHistogram() : counts_(2 * kMagnitudes), sums_(2 * kMagnitudes) {}

bool LogitHistogram::add(float logit, bool set) {
  if (!std::isfinite(logit)) return false;
  const std::size_t bin = bin_of(logit);
  ++counts_[bin];
  sums_[bin] += static_cast<double>(logit);
  ++pixels_;
  if (set) {
    ++set_;
    set_sum_ += static_cast<double>(logit);
  }
  return true;
}

void LogitHistogram::add(const LogitHistogram& other) {
  for (std::size_t bin = 0; bin < counts_.size(); ++bin) {
    counts_[bin] += other.counts_[bin];
    sums_[bin] += other.sums_[bin];
  }
  pixels_ += other.pixels_;
  set_ += other.set_;
  set_sum_ += other.set_sum_;
}

// dL/da.
double LogitHistogram::slope(double a) const {
  double sum = -set_sum_;
  for (std::size_t bin = 0; bin < counts_.size(); ++bin) {
    if (counts_[bin] == 0) continue;
    const double mean = sums_[bin] / static_cast<double>(counts_[bin]);
    sum += sums_[bin] / (1 + std::exp(-a * mean));
  }
  return sum;
}

double LogitHistogram::best() const {
  // The slope rises, so halving finds where it is 0.
  double low = kLeast, high = kMost;
  for (int i = 0; i < 60; ++i) {
    const double middle = (low + high) / 2;
    (slope(middle) < 0 ? low : high) = middle;
  }
  return (low + high) / 2;
}

}  // namespace osteon::temperature
