// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace osteon::train {

/// Dynamic loss scaling for float16 gradients (Micikevicius et al., "Mixed Precision Training", arXiv:1710.03740), with
/// the constants of PyTorch's GradScaler: start 65536, x 2 after 2000 good steps, x 0.5 after a step with an infinity.
class LossScale {
 public:
  /// Inactive: always 1. bfloat16 and float32 have the range not to need it.
  explicit LossScale(bool active) : active_(active), scale_(active ? 65536.0 : 1.0) {}

  double value() const noexcept { return scale_; }
  bool active() const noexcept { return active_; }

  /// After a step's gradients were looked at. A step whose gradients are not finite is to be left out.
  void update(bool finite) noexcept {
    if (!active_) return;
    if (!finite) {
      scale_ *= 0.5;
      good_steps_ = 0;
    } else if (++good_steps_ == 2000) {
      scale_ *= 2;
      good_steps_ = 0;
    }
  }

  std::int64_t good_steps() const noexcept { return good_steps_; }
  void restore(double scale, std::int64_t good_steps) noexcept {
    scale_ = scale;
    good_steps_ = good_steps;
  }

 private:
  bool active_;
  double scale_;
  std::int64_t good_steps_ = 0;
};

}  // namespace osteon::train
