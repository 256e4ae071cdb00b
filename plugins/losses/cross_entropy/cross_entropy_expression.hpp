// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include <osteon/sdk/torch/loss.hpp>

#include "cross_entropy_params.hpp"

namespace osteon::losses {

/// The formula of cross_entropy.cpp by LibTorch, for devices that the kernel does not know. Whatever the kernel refuses
/// when it is made, it has refused when this is made.
class CrossEntropyExpression {
 public:
  using Params = CrossEntropyParams;

  CrossEntropyExpression(const Params& params, const sdk::LossRequest& request)
      : weight_(params.class_weight), smoothing_(params.label_smoothing) {
    if (weight_.empty()) weight_.assign(static_cast<std::size_t>(request.n_classes), 1.0);
  }

  at::Tensor forward(const at::Tensor& logits, const sdk::TorchTarget& target) const {
    constexpr std::int64_t kLeftOut = -100;
    const at::Tensor index = target.class_index(kLeftOut);
    const at::Tensor weight = at::tensor(weight_, logits.options().requires_grad(false));
    const at::Tensor each = at::cross_entropy_loss(logits, index, weight, at::Reduction::None, kLeftOut, smoothing_);
    const at::Tensor total = weight.take(index.clamp_min(0)).masked_fill_(index.eq(kLeftOut), 0).sum();
    // Only classes of weight 0 may be there; nothing is divided by 0, for that would come back into the gradient.
    const at::Tensor mean = (each.unsqueeze(1) * target.sample_weight()).sum() / total.masked_fill(total <= 0, 1);
    return mean * (total > 0);
  }

 private:
  std::vector<double> weight_;
  double smoothing_;
};

}  // namespace osteon::losses
