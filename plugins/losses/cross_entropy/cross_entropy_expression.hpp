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
  static constexpr std::uint32_t kUnderstands = kCrossEntropyUnderstands;

  CrossEntropyExpression(const Params& params, const sdk::LossRequest& request)
      : weight_(params.class_weight), smoothing_(params.label_smoothing) {
    if (weight_.empty()) weight_.assign(static_cast<std::size_t>(request.n_classes), 1.0);
  }

  at::Tensor forward(const at::Tensor& logits, const sdk::TorchTarget& target) const {
    const at::Tensor weight = at::tensor(weight_, logits.options().requires_grad(false));
    if (target.has_pixel_weight() || target.has_class_valid() || target.is_soft())
      return of_shares(logits, target, weight.view({1, -1, 1, 1}));
    constexpr std::int64_t kLeftOut = -100;
    const at::Tensor index = target.class_index(kLeftOut);
    const at::Tensor each = at::cross_entropy_loss(logits, index, weight, at::Reduction::None, kLeftOut, smoothing_);
    const at::Tensor total = weight.take(index.clamp_min(0)).masked_fill_(index.eq(kLeftOut), 0).sum();
    return mean(each.unsqueeze(1), target, total);
  }

 private:
  /// With weights of pixels, targets between 0 and 1 or unknown classes.
  at::Tensor of_shares(const at::Tensor& logits, const sdk::TorchTarget& target, const at::Tensor& weight) const {
    const at::Tensor t = target.kept(target.dense());
    const at::Tensor share = t.sum(1, /*keepdim=*/true);
    check_sums(target, share);
    const at::Tensor known = target.class_valid().to(at::kFloat);
    const at::Tensor spread = smoothing_ / known.sum(1, /*keepdim=*/true).clamp_min(1);
    const at::Tensor q = weight * known * ((1 - smoothing_) * t + spread * share);
    const at::Tensor each = -(q * target.log_softmax(logits)).sum(1, /*keepdim=*/true) * target.pixel_weight();
    return mean(each, target, (weight * t * target.pixel_weight()).sum());
  }

  static void check_sums(const sdk::TorchTarget& target, const at::Tensor& share) {
    constexpr double kRounding = 1e-3;
    const at::Tensor complete = target.class_valid().all(1, /*keepdim=*/true);
    const at::Tensor wrong = (share > 1 + kRounding).logical_or(complete.logical_and(share < 1 - kRounding));
    if (wrong.logical_and(target.valid()).any().item<bool>())
      throw sdk::InvalidArgument("a valid pixel has targets that do not add up to 1");
  }

  /// Only classes of weight 0 may be there; nothing is divided by 0, for that would come back into the gradient.
  static at::Tensor mean(const at::Tensor& each, const sdk::TorchTarget& target, const at::Tensor& total) {
    return (each * target.sample_weight()).sum() / total.masked_fill(total <= 0, 1) * (total > 0);
  }

  std::vector<double> weight_;
  double smoothing_;
};

}  // namespace osteon::losses
