// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include <osteon/sdk/torch/loss.hpp>

#include "bce_params.hpp"

namespace osteon::losses {

/// The formula of bce.cpp by LibTorch, for devices that the kernel does not know. Whatever the kernel refuses, it has
/// refused when this is made.
class BceExpression {
 public:
  using Params = BceParams;
  static constexpr std::uint32_t kUnderstands = kBceUnderstands;

  BceExpression(const Params& params, const sdk::LossRequest&) : params_(params) {}

  at::Tensor forward(const at::Tensor& logits, const sdk::TorchTarget& target) const {
    const auto row = [&](const std::vector<double>& values) {
      return values.empty() ? at::Tensor() : at::tensor(values, logits.options().requires_grad(false)).view({-1, 1, 1});
    };
    at::Tensor t = target.dense();
    if (params_.label_smoothing > 0) t = t * (1 - params_.label_smoothing) + params_.label_smoothing / 2;
    const at::Tensor each =
        at::binary_cross_entropy_with_logits(logits, t, {}, row(params_.pos_weight), at::Reduction::None);
    return target.mean(each, row(params_.class_weight));
  }

 private:
  BceParams params_;
};

}  // namespace osteon::losses
