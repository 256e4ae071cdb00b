// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

namespace osteon::temperature {

/// Inverse temperatures that a fit looks at: temperatures of 0.05 to 20.
inline constexpr double kLeast = 0.05, kMost = 20;

/// What binary cross-entropy over pixels needs to know of one class's logits, in memory that does not grow with them.
///
///     L(a) = sum over pixels of log(1 + exp(a z)) - a y z,   a = 1 / temperature
///
/// The second term is a sum. For the first logits are counted in bins of equal relative width, 1 / 128 between powers
/// of two, each with the mean of what fell into it: the error is of second order in the width.
class LogitHistogram {
 public:
  LogitHistogram();
  /// @return false for a logit that is not finite, which is not added
  bool add(float logit, bool set);
  void add(const LogitHistogram& other);
  std::int64_t pixels() const noexcept { return pixels_; }
  std::int64_t set_pixels() const noexcept { return set_; }
  /// The inverse temperature of the least L, which is convex, between kLeast and kMost.
  double best() const;

 private:
  double slope(double a) const;
  std::vector<std::int64_t> counts_;
  std::vector<double> sums_;
  double set_sum_ = 0;  // of the logits of pixels that have the class
  std::int64_t pixels_ = 0, set_ = 0;
};

}  // namespace osteon::temperature
