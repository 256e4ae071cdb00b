// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <osteon/sdk/torch/loss.hpp>

#include "dice_params.hpp"

namespace osteon::losses {

/// The formula of dice.cpp by LibTorch, for devices that the kernel does not know.
class DiceExpression {
 public:
  using Params = DiceParams;

  DiceExpression(const Params& params, const sdk::LossRequest&) : params_(params) {}

  at::Tensor forward(const at::Tensor& logits, const sdk::TorchTarget& target) const {
    const at::Tensor p = target.kept(target.multiclass() ? logits.softmax(1) : logits.sigmoid());
    const at::Tensor t = target.kept(target.dense());
    const at::Tensor weight = target.sample_weight().flatten(1);  // [N, 1]
    const auto sum = [&](const at::Tensor& each) {                // [N, K], or over the batch [1, K]
      const at::Tensor images = each.sum({2, 3});
      return params_.per_image ? images : (images * weight).sum(0, /*keepdim=*/true);
    };
    const at::Tensor targets = sum(t);
    const at::Tensor above = 2 * sum(p * t) + params_.smooth;
    const at::Tensor below = sum(params_.squared ? p * p : p) + targets + params_.smooth;
    const at::Tensor counted = counts(target, targets);
    // Nothing is divided by 0, for 0 / 0 would come back into the gradient.
    const at::Tensor dice = (1 - above / below.masked_fill(below <= 0, 1)) * counted.logical_and(below > 0);
    return (params_.per_image ? dice * weight : dice).sum() / counted.sum().clamp_min(1);
  }

 private:
  /// Which Dice values enter the mean: bool, of the shape of `targets`.
  at::Tensor counts(const sdk::TorchTarget& target, const at::Tensor& targets) const {
    at::Tensor counted = at::ones_like(targets, at::kBool);
    if (params_.per_image) counted = counted.logical_and(target.valid().flatten(1).any(1, /*keepdim=*/true));
    return params_.ignore_empty ? counted.logical_and(targets > 0) : counted;
  }

  DiceParams params_;
};

}  // namespace osteon::losses
