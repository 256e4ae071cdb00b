// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "iou_params.hpp"
#include "overlap/overlap_expression.hpp"

namespace osteon::losses {

/// The formula of iou.cpp by LibTorch, for devices that the kernel does not know.
class IouExpression {
 public:
  using Params = IouParams;
  static constexpr std::uint32_t kUnderstands = kOverlapUnderstands;

  IouExpression(const Params& params, const sdk::LossRequest& request)
      : overlap_(params, false, request), smooth_(params.smooth) {}

  at::Tensor forward(const at::Tensor& logits, const sdk::TorchTarget& target) const {
    return overlap_.mean(logits, target, [&](const OverlapExpression::Sums& sums) {
      return 1 - overlap_.fraction(sums.overlap + smooth_, sums.probability + sums.target - sums.overlap + smooth_, 1);
    });
  }

 private:
  OverlapExpression overlap_;
  double smooth_;
};

}  // namespace osteon::losses
