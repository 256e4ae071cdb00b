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

  BceExpression(const Params& params, const sdk::LossRequest&) : params_(params) {
    double total = 0;
    for (const double weight : params.class_weight) total += weight;
    // target.mean() divides by the number of classes.
    for (const double weight : params.class_weight)
      share_.push_back(weight * static_cast<double>(params.class_weight.size()) / total);
  }

  at::Tensor forward(const at::Tensor& logits, const sdk::TorchTarget& target) const {
    const auto row = [&](const std::vector<double>& values) {
      return at::tensor(values, logits.options().requires_grad(false)).view({-1, 1, 1});
    };
    at::Tensor t = target.dense();
    if (params_.label_smoothing > 0) t = t * (1 - params_.label_smoothing) + params_.label_smoothing / 2;
    const at::Tensor pos_weight = params_.pos_weight.empty() ? at::Tensor() : row(params_.pos_weight);
    const at::Tensor each = at::binary_cross_entropy_with_logits(logits, t, {}, pos_weight, at::Reduction::None);
    return target.mean(share_.empty() ? each : each * row(share_));
  }

 private:
  BceParams params_;
  std::vector<double> share_;  ///< class weights whose mean is 1; empty: all are
};

}  // namespace osteon::losses
