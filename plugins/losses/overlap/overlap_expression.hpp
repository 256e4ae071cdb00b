// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <osteon/sdk/torch/loss.hpp>

#include "overlap/overlap_params.hpp"

namespace osteon::losses {

/// What Overlap computes by runs of pixels, by LibTorch. Whatever the kernel refuses, it has refused when this is made.
class OverlapExpression {
 public:
  /// Of each image and class [N, K], or over the batch [1, K].
  struct Sums {
    at::Tensor overlap, probability, target;
  };

  OverlapExpression(const OverlapParams& params, bool squared, const sdk::LossRequest& request)
      : mean_{params.per_image, params.ignore_empty, sdk::class_weights(params.class_weight, request.n_classes)},
        squared_(squared) {}

  /// The mean of `formula(sums)`, whose values have the shape of the sums.
  template <class Formula>
  at::Tensor mean(const at::Tensor& logits, const sdk::TorchTarget& target, Formula&& formula) const {
    const at::Tensor p = target.kept(target.multiclass() ? target.softmax(logits) : logits.sigmoid());
    const at::Tensor t = target.kept(target.dense());
    const at::Tensor weight = target.sample_weight().flatten(1);  // [N, 1]
    const auto sum = [&](const at::Tensor& each) {
      const at::Tensor images = (target.has_pixel_weight() ? each * target.pixel_weight() : each).sum({2, 3});
      return mean_.per_image ? images : (images * weight).sum(0, /*keepdim=*/true);
    };
    const at::Tensor values =
        formula(Sums{sum(p * t), sum(squared_ ? p * p : p), sum(squared_ && target.is_soft() ? t * t : t)});
    const at::Tensor share = target.shares(mean_);
    return (values * (mean_.per_image ? share * weight : share)).sum();
  }

  /// above / below, and `otherwise` where below is 0: nothing is divided by it, for 0 / 0 would come back into the
  /// gradient.
  static at::Tensor fraction(const at::Tensor& above, const at::Tensor& below, double otherwise) {
    const at::Tensor none = below <= 0;
    return (above / below.masked_fill(none, 1)).masked_fill(none, otherwise);
  }

 private:
  sdk::MeanOfClasses mean_;
  bool squared_;
};

}  // namespace osteon::losses
