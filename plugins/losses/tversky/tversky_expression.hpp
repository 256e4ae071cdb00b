// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "overlap/overlap_expression.hpp"
#include "tversky_params.hpp"

namespace osteon::losses {

/// The formula of tversky.cpp by LibTorch, for devices that the kernel does not know.
class TverskyExpression {
 public:
  using Params = TverskyParams;
  static constexpr std::uint32_t kUnderstands = kOverlapUnderstands;

  TverskyExpression(const Params& params, const sdk::LossRequest& request)
      : overlap_(params, false, request), params_(params) {}

  at::Tensor forward(const at::Tensor& logits, const sdk::TorchTarget& target) const {
    return overlap_.mean(logits, target, [&](const OverlapExpression::Sums& sums) {
      const at::Tensor wrong =
          params_.alpha * (sums.probability - sums.overlap) + params_.beta * (sums.target - sums.overlap);
      const at::Tensor loss = overlap_.fraction(wrong, sums.overlap + params_.smooth + wrong, 0);
      if (params_.gamma == 1) return loss;
      // A root's slope at 0 has no end; there the loss is at its least, and has none.
      const at::Tensor least = loss <= 1e-20;
      return loss.masked_fill(least, 1).pow(1 / params_.gamma).masked_fill(least, 0);
    });
  }

 private:
  OverlapExpression overlap_;
  Params params_;
};

}  // namespace osteon::losses
