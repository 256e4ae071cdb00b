// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <osteon/sdk/torch/loss.hpp>

#include "lovasz_params.hpp"

namespace osteon::losses {

/// The formula of lovasz.cpp by LibTorch, for devices that the kernel does not know.
class LovaszExpression {
 public:
  using Params = LovaszParams;
  static constexpr std::uint32_t kUnderstands = kLovaszUnderstands;
  static constexpr const char* kInstead = kLovaszInstead;

  LovaszExpression(const Params& params, const sdk::LossRequest& request)
      : mean_{params.per_image, params.ignore_empty, sdk::class_weights(params.class_weight, request.n_classes)} {}

  at::Tensor forward(const at::Tensor& logits, const sdk::TorchTarget& target) const {
    const at::Tensor t = target.dense();
    const at::Tensor errors =
        target.kept(target.multiclass() ? (t - target.softmax(logits)).abs() : (1 - logits * (2 * t - 1)).relu());
    at::Tensor weight = target.pixel_weight() * target.class_valid();  // [N, K, H, W]
    if (!mean_.per_image) weight = weight * target.sample_weight();
    const auto [sorted, order] = classes(errors).sort(-1, /*descending=*/true);
    const at::Tensor slopes = jaccard_slopes(classes(t).gather(-1, order), classes(weight).gather(-1, order));
    const at::Tensor share = target.shares(mean_);
    const at::Tensor values = (sorted * slopes).sum(-1);
    return (values * (mean_.per_image ? share * target.sample_weight().flatten(1) : share)).sum();
  }

 private:
  /// [N, K, pixels], or over the batch [1, K, N pixels].
  at::Tensor classes(const at::Tensor& each) const {
    return mean_.per_image ? each.flatten(2) : each.transpose(0, 1).flatten(1).unsqueeze(0);
  }

  /// How the Jaccard loss grows from pixel to pixel. In double: one of many pixels changes little.
  static at::Tensor jaccard_slopes(const at::Tensor& t, const at::Tensor& weight) {
    const at::Tensor set = (t * weight).to(at::kDouble), clear = ((1 - t) * weight).to(at::kDouble);
    const at::Tensor total = set.sum(-1, /*keepdim=*/true);
    const at::Tensor united = total + clear.cumsum(-1);
    const at::Tensor jaccard = 1 - (total - set.cumsum(-1)) / united.masked_fill(united <= 0, 1);
    const at::Tensor sized = jaccard.masked_fill(united <= 0, 0);
    return at::diff(sized, 1, -1, at::zeros_like(total)).to(at::kFloat);
  }

  sdk::MeanOfClasses mean_;
};

}  // namespace osteon::losses
