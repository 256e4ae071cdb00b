// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include <osteon/sdk/call.hpp>
#include <osteon/sdk/fit.hpp>

#include "logit_histogram.hpp"

namespace osteon::temperature {

/// The inverse temperature of the least cross-entropy, by Newton's method within a bracket, a step for each pass over
/// the pixels: what a softmax does at another temperature follows from no sums.
///
///     L(a) = sum over pixels of log(sum over classes of exp(a z_c)) - a z_y,   a = 1 / temperature
class SoftmaxNewton {
 public:
  /// Adds the pixels of a band of all classes to this pass. Those that are not known to be of exactly one class do not
  /// count. Throws sdk::Error for logits that are not finite.
  void add(const sdk::Call& call, const sdk::FitSample& sample);
  /// Ends the pass. Whether another one is needed.
  bool step();
  double best() const noexcept { return a_; }
  /// Of the last pass.
  std::int64_t pixels() const noexcept { return pixels_; }

 private:
  double a_ = 1, low_ = kLeast, high_ = kMost;
  double slope_ = 0, curvature_ = 0;
  std::int64_t pixels_ = 0;
  bool begun_ = false;
  int passes_ = 0;
};

}  // namespace osteon::temperature
