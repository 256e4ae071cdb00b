// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include <osteon/sdk/torch/loss.hpp>

#include "focal_params.hpp"

namespace osteon::losses {

/// The formula of focal.cpp by LibTorch, for devices that the kernel does not know. Whatever the kernel refuses, it has
/// refused when this is made.
class FocalExpression {
 public:
  using Params = FocalParams;
  static constexpr std::uint32_t kUnderstands = kFocalUnderstands;

  FocalExpression(const Params& params, const sdk::LossRequest&) : params_(params) {}

  at::Tensor forward(const at::Tensor& logits, const sdk::TorchTarget& target) const {
    const at::Tensor weight =
        params_.class_weight.empty()
            ? at::Tensor()
            : at::tensor(params_.class_weight, logits.options().requires_grad(false)).view({-1, 1, 1});
    const at::Tensor t = target.kept(target.dense());
    const at::Tensor entropy = at::binary_cross_entropy_with_logits(logits, t, {}, {}, at::Reduction::None);
    if (params_.of_batch()) {
      const at::Tensor mean = target.mean(entropy, weight);
      const at::Tensor value = power(-at::expm1(-mean)) * mean;
      return params_.alpha < 0 ? value : params_.alpha * value;
    }
    // 1 - p_t by sigmoids of both signs: accurate where it is small.
    const at::Tensor each = power(logits.sigmoid() * (1 - t) + logits.neg().sigmoid() * t) * entropy;
    return target.mean(params_.alpha < 0 ? each : each * (params_.alpha * t + (1 - params_.alpha) * (1 - t)), weight);
  }

 private:
  /// x^gamma for 0 <= x <= 1. Where gamma is below 1 its slope at 0 has no end, and comes with a factor of 0.
  at::Tensor power(const at::Tensor& x) const {
    if (params_.gamma == 0) return at::ones_like(x);
    if (params_.gamma == 1) return x;
    if (params_.gamma == 2) return x * x;
    return x.clamp_min(kSmallest).pow(params_.gamma);
  }

  static constexpr double kSmallest = 1e-38;
  Params params_;
};

}  // namespace osteon::losses
