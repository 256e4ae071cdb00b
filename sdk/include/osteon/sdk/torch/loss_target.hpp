// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include <ATen/ATen.h>

#include <osteon/sdk/loss_input.hpp>
#include <osteon/sdk/loss_mean.hpp>
#include <osteon/sdk/torch/tensor.hpp>

namespace osteon::sdk {

/// What the logits are held against, made as it is asked for. On the device of the logits. Valid inside forward().
class TorchTarget {
 public:
  /// `raw` has been checked.
  TorchTarget(const osteon_loss_input& raw, bool multiclass)
      : n_(raw.logits->shape[0]),
        k_(raw.logits->shape[1]),
        h_(raw.logits->shape[2]),
        w_(raw.logits->shape[3]),
        options_(at::TensorOptions().dtype(at::kFloat).device(to_torch_device(raw.logits->device))),
        multiclass_(multiclass),
        holes_(raw.valid != nullptr || raw.pixel_weight != nullptr) {
    if (raw.target != nullptr) planes_ = borrow(*raw.target, "target planes");
    if (raw.soft_target != nullptr) soft_ = borrow(*raw.soft_target, "soft_target");
    if (raw.valid != nullptr) valid_ = borrow(*raw.valid, "valid plane").unsqueeze(1).ne(0);
    if (raw.sample_weight != nullptr) weight_ = borrow(*raw.sample_weight, "sample_weight").view({-1, 1, 1, 1});
    if (raw.pixel_weight != nullptr) {
      const at::Tensor given = borrow(*raw.pixel_weight, "pixel_weight").unsqueeze(1);
      pixel_weight_ = valid_.defined() ? given.masked_fill(valid_.logical_not(), 0) : given;
      valid_ = pixel_weight_.ne(0);
    }
    if (raw.class_valid != nullptr) class_valid_ = borrow(*raw.class_valid, "class_valid").ne(0).view({n_, k_, 1, 1});
  }

  bool multiclass() const noexcept { return multiclass_; }
  bool has_pixel_weight() const noexcept { return pixel_weight_.defined(); }
  bool has_class_valid() const noexcept { return class_valid_.defined(); }
  bool is_soft() const noexcept { return soft_.defined(); }
  /// Whether some pixel may not be valid.
  bool has_holes() const noexcept { return holes_; }

  /// [N, K, H, W] float32, 0 or 1, or between them where is_soft(); 0 where the class is unknown. Four bytes per pixel
  /// and class: a fused kernel reads the planes instead.
  const at::Tensor& dense() const {
    if (dense_.defined()) return dense_;
    dense_ = is_soft() ? soft_ : of_bits();
    return dense_ = known_classes(dense_);
  }

  /// [N, H, W] int64, the class of each pixel, and `ignore` where the pixel is not valid. Multiclass data only, and
  /// only of bits whose classes are all known; throws Unsupported for others, InvalidArgument when a valid pixel has
  /// not exactly one class.
  at::Tensor class_index(std::int64_t ignore = -100) const {
    if (!multiclass_) throw Unsupported("class_index() needs multiclass data, this is multilabel");
    if (is_soft() || has_class_valid())
      throw Unsupported("class_index() needs one known class in every pixel; dense() has what there is");
    const at::Tensor holes = holes_ ? valid_.logical_not().squeeze(1) : at::Tensor();
    at::Tensor count = dense().sum(1);
    if (holes.defined()) count.masked_fill_(holes, 1);
    if (!count.eq(1).all().item<bool>()) throw InvalidArgument("a valid pixel of the target has not exactly one class");
    at::Tensor index = dense().argmax(1);
    return holes.defined() ? index.masked_fill_(holes, ignore) : index;
  }

  /// `per_pixel` [N, C, H, W] with 0 where the pixel is not valid and, for C = K, where the class is unknown.
  at::Tensor kept(const at::Tensor& per_pixel) const {
    const at::Tensor all = holes_ ? per_pixel.masked_fill(valid_.logical_not(), 0) : per_pixel;
    return of_classes(per_pixel) ? known_classes(all) : all;
  }

  /// Softmax of logits [N, K, H, W] over the classes that are known in each image; 0 for the others.
  at::Tensor softmax(const at::Tensor& logits) const { return known_classes(known_logits(logits).softmax(1)); }
  /// Its logarithm; 0 for classes that are unknown.
  at::Tensor log_softmax(const at::Tensor& logits) const { return known_classes(known_logits(logits).log_softmax(1)); }

  /// [N, 1, H, W] bool. A pixel of weight 0 is not valid.
  const at::Tensor& valid() const {
    if (!valid_.defined()) valid_ = at::ones({n_, 1, h_, w_}, options_.dtype(at::kBool));
    return valid_;
  }
  /// [N, K, 1, 1] bool: whether it is known what the image has of the class.
  at::Tensor class_valid() const {
    return class_valid_.defined() ? class_valid_ : at::ones({n_, k_, 1, 1}, options_.dtype(at::kBool));
  }
  /// [N, 1, H, W] float32: what each pixel counts, 0 where it is not valid.
  at::Tensor pixel_weight() const { return pixel_weight_.defined() ? pixel_weight_ : valid().to(at::kFloat); }
  /// [N, 1, 1, 1] float32.
  const at::Tensor& sample_weight() const {
    if (!weight_.defined()) weight_ = at::ones({n_, 1, 1, 1}, options_);
    return weight_;
  }

  /// Mean of [N, C, H, W] over what counts: valid pixels, each with its weight, and for C = K the classes that are
  /// known in the image, each with its weight of `class_weight` [K] (undefined: 1). All of these weights are divided
  /// out. The sample weight of an image is not: it scales what the image adds.
  at::Tensor mean(const at::Tensor& per_pixel, const at::Tensor& class_weight = {}) const {
    const bool plain = !holes_ && !weight_.defined() && !of_classes(per_pixel);
    if (plain && !class_weight.defined()) return per_pixel.mean();
    at::Tensor sum = kept(per_pixel);
    if (pixel_weight_.defined()) sum = sum * pixel_weight_;
    if (weight_.defined()) sum = sum * weight_;
    at::Tensor shares =
        of_classes(per_pixel) ? class_valid_.to(at::kFloat) : at::ones({1, per_pixel.size(1), 1, 1}, options_);
    if (class_weight.defined()) {
      const at::Tensor row = class_weight.to(options_).view({1, -1, 1, 1});
      sum = sum * row;
      shares = shares * row;
    }
    // Sums of float32 ones end at 2^24.
    const at::Tensor pixels = pixel_weight().sum({1, 2, 3}, /*keepdim=*/true, at::kDouble);
    const at::Tensor total = (pixels * shares.sum(1, /*keepdim=*/true)).sum();
    return sum.sum() / total.masked_fill(total <= 0, 1).to(at::kFloat);
  }

  /// [N, K] bool: whether the class is known in the image, and the image has a valid pixel.
  at::Tensor counts() const {
    return valid().flatten(1).any(1, /*keepdim=*/true).logical_and(class_valid().view({n_, k_}));
  }

  /// What each loss of a class counts in their mean, as a share of 1: float32 [N, K] per image, or over the batch
  /// [1, K]. All 0 where nothing counts.
  at::Tensor shares(const MeanOfClasses& mean) const {
    at::Tensor counted = counts();
    if (mean.ignore_empty) counted = counted.logical_and(kept(dense()).gt(0).flatten(2).any(2));
    if (!mean.per_image) counted = counted.any(0, /*keepdim=*/true);
    const at::Tensor weight = counted * at::tensor(mean.class_weight, options_);
    const at::Tensor total = weight.sum();
    return weight / total.masked_fill(total <= 0, 1);
  }

 private:
  /// Whether some class of what has this shape is unknown.
  bool of_classes(const at::Tensor& per_pixel) const { return class_valid_.defined() && per_pixel.size(1) == k_; }

  at::Tensor known_classes(const at::Tensor& of_classes) const {
    return class_valid_.defined() ? of_classes.masked_fill(class_valid_.logical_not(), 0) : of_classes;
  }
  /// Logits of which those of unknown classes take no part in a softmax. Without any known class there is no softmax,
  /// and nothing is left out.
  at::Tensor known_logits(const at::Tensor& logits) const {
    if (!class_valid_.defined()) return logits;
    const at::Tensor out = class_valid_.logical_not().logical_and(class_valid_.any(1, /*keepdim=*/true));
    return logits.masked_fill(out, -std::numeric_limits<float>::infinity());
  }

  at::Tensor of_bits() const {
    std::vector<at::Tensor> groups;
    for (std::int64_t first = 0; first < k_; first += 32) {
      const at::Tensor bits = at::arange(std::min<std::int64_t>(32, k_ - first), planes_.options()).view({1, -1, 1, 1});
      groups.push_back(
          planes_.narrow(1, first / 32, 1).bitwise_right_shift(bits).bitwise_and_(1));  // the sign bit is masked off
    }
    return (groups.size() == 1 ? groups[0] : at::cat(groups, 1)).to(at::kFloat);
  }

  std::int64_t n_, k_, h_, w_;
  at::TensorOptions options_;
  bool multiclass_;
  bool holes_;
  at::Tensor planes_;  ///< [N, P, H, W] int32
  at::Tensor soft_, pixel_weight_, class_valid_;
  mutable at::Tensor dense_, valid_, weight_;
};

}  // namespace osteon::sdk
