// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <osteon/sdk/torch/loss.hpp>

#include "dice_params.hpp"

namespace osteon::losses {

/// The formula of dice.cpp by LibTorch, for devices that the kernel does not know.
class DiceExpression {
 public:
  using Params = DiceParams;
  static constexpr std::uint32_t kUnderstands = kDiceUnderstands;

  DiceExpression(const Params& params, const sdk::LossRequest&) : params_(params) {}

  at::Tensor forward(const at::Tensor& logits, const sdk::TorchTarget& target) const {
    const at::Tensor p = target.kept(target.multiclass() ? target.softmax(logits) : logits.sigmoid());
    const at::Tensor t = target.kept(target.dense());
    const at::Tensor weight = target.sample_weight().flatten(1);  // [N, 1]
    const auto sum = [&](const at::Tensor& each) {                // [N, K], or over the batch [1, K]
      const at::Tensor images = (target.has_pixel_weight() ? each * target.pixel_weight() : each).sum({2, 3});
      return params_.per_image ? images : (images * weight).sum(0, /*keepdim=*/true);
    };
    const at::Tensor above = 2 * sum(p * t) + params_.smooth;
    const at::Tensor below =
        sum(params_.squared ? p * p : p) + sum(params_.squared && target.is_soft() ? t * t : t) + params_.smooth;
    const at::Tensor counted = counts(target, t);
    // Nothing is divided by 0, for 0 / 0 would come back into the gradient.
    const at::Tensor dice = (1 - above / below.masked_fill(below <= 0, 1)) * counted.logical_and(below > 0);
    return (params_.per_image ? dice * weight : dice).sum() / counted.sum().clamp_min(1);
  }

 private:
  /// Which Dice values enter the mean: bool [N, K], or over the batch [1, K]; t is what is kept of the target.
  at::Tensor counts(const sdk::TorchTarget& target, const at::Tensor& t) const {
    at::Tensor counted = target.counts();
    if (params_.ignore_empty) counted = counted.logical_and(t.gt(0).flatten(2).any(2));
    return params_.per_image ? counted : counted.any(0, /*keepdim=*/true);
  }

  DiceParams params_;
};

}  // namespace osteon::losses
