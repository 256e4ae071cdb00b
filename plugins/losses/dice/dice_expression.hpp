// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "dice_params.hpp"
#include "overlap/overlap_expression.hpp"

namespace osteon::losses {

/// The formula of dice.cpp by LibTorch, for devices that the kernel does not know.
class DiceExpression {
 public:
  using Params = DiceParams;
  static constexpr std::uint32_t kUnderstands = kOverlapUnderstands;

  DiceExpression(const Params& params, const sdk::LossRequest& request)
      : overlap_(params, params.squared, request), smooth_(params.smooth) {}

  at::Tensor forward(const at::Tensor& logits, const sdk::TorchTarget& target) const {
    return overlap_.mean(logits, target, [&](const OverlapExpression::Sums& sums) {
      return 1 - overlap_.fraction(2 * sums.overlap + smooth_, sums.probability + sums.target + smooth_, 1);
    });
  }

 private:
  OverlapExpression overlap_;
  double smooth_;
};

}  // namespace osteon::losses
