// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <osteon/sdk/torch/loss.hpp>

#include "ms_ssim_params.hpp"

namespace osteon::losses {

/// The formula of ms_ssim.cpp by LibTorch, for devices that the kernel does not know. Whatever the kernel refuses, it
/// has refused when this is made. In double, as there.
class MsSsimExpression {
 public:
  using Params = MsSsimParams;
  static constexpr std::uint32_t kUnderstands = kMsSsimUnderstands;

  MsSsimExpression(const Params& params, const sdk::LossRequest& request)
      : mean_{true, params.ignore_empty, sdk::class_weights(params.class_weight, request.n_classes)} {}

  at::Tensor forward(const at::Tensor& logits, const sdk::TorchTarget& target) const {
    at::Tensor p = target.kept(logits.sigmoid()).to(at::kDouble), t = target.kept(target.dense()).to(at::kDouble);
    at::Tensor weight = target.pixel_weight().to(at::kDouble);
    const std::vector<double> exponents = ssim_exponents(logits.size(2), logits.size(3));
    at::Tensor similarity = at::ones({logits.size(0), logits.size(1)}, p.options().requires_grad(false));
    at::Tensor opposite = at::zeros_like(similarity, at::kBool);
    for (std::size_t s = 0; s < exponents.size(); ++s) {
      const at::Tensor value = mean_value(p, t, weight, s + 1 == exponents.size());
      // A root's slope at 0 has no end.
      opposite = opposite.logical_or(value <= 0);
      similarity = similarity * value.masked_fill(value <= 0, 1).pow(exponents[s]);
      if (s + 1 == exponents.size()) break;
      const at::Tensor mass = at::avg_pool2d(weight, 2);
      p = divided(at::avg_pool2d(weight * p, 2), mass);
      t = divided(at::avg_pool2d(weight * t, 2), mass);
      weight = mass;
    }
    const at::Tensor loss = 1 - similarity.masked_fill(opposite, 0);
    return (loss * target.shares(mean_) * target.sample_weight().flatten(1)).sum();
  }

 private:
  static at::Tensor divided(const at::Tensor& x, const at::Tensor& mass) { return x / mass.masked_fill(mass <= 0, 1); }

  /// [N, K]: the mean over places; 1 where no place counts.
  static at::Tensor mean_value(const at::Tensor& p, const at::Tensor& t, const at::Tensor& weight, bool last) {
    const std::vector<double> window = ssim_window(p.size(2), p.size(3));
    const at::Tensor taps = at::tensor(window, p.options().requires_grad(false));
    const auto blurred = [&](const at::Tensor& x) {
      const at::Tensor rows = at::conv2d(x.reshape({-1, 1, x.size(2), x.size(3)}), taps.view({1, 1, 1, -1}));
      const at::Tensor both = at::conv2d(rows, taps.view({1, 1, -1, 1}));
      return both.view({x.size(0), x.size(1), both.size(2), both.size(3)});
    };
    const at::Tensor mass = blurred(weight);
    const auto mean = [&](const at::Tensor& x) { return divided(blurred(weight * x), mass); };
    const at::Tensor a = mean(p), b = mean(t);
    const at::Tensor variances = mean(p * p) - a * a + mean(t * t) - b * b;
    at::Tensor value = (2 * (mean(p * t) - a * b) + kSsimC2) / (variances + kSsimC2);
    if (last) value = value * (2 * a * b + kSsimC1) / (a * a + b * b + kSsimC1);
    const at::Tensor places = mass.sum({2, 3});
    return divided((mass * value).sum({2, 3}), places).masked_fill(places <= 0, 1);
  }

  sdk::MeanOfClasses mean_;
};

}  // namespace osteon::losses
