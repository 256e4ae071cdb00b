// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <torch/types.h>

#include <osteon/sdk/torch/tensor.hpp>

#include "plugin/loss.hpp"

namespace osteon::train {

/// The truth of a batch, borrowed. Either `planes` or `soft` is there; any other may be undefined.
struct Target {
  torch::Tensor planes;            ///< int32 [N, P, H, W]
  torch::Tensor valid;             ///< uint8 [N, H, W]; undefined: every pixel is
  torch::Tensor sample_weight;     ///< float32 [N]; undefined: all 1
  torch::Tensor pixel_weight;      ///< float32 [N, H, W]; undefined: all 1
  torch::Tensor class_valid;       ///< uint8 [N, K]; undefined: all classes are known
  torch::Tensor soft;              ///< float32 [N, K, H, W], 0..1, in place of planes
  std::vector<std::string> names;  ///< [N], of the images, for messages; empty: they have none

  std::int64_t height() const { return soft.defined() ? soft.size(2) : planes.size(2); }
  std::int64_t width() const { return soft.defined() ? soft.size(3) : planes.size(3); }
};

/// What the images of `target` hold, whatever pixel it is at, as the target of one pixel for each image: a class is
/// there that a valid pixel has. Of soft targets the greatest. An image without a valid pixel is not valid. Weights of
/// pixels have no meaning here, those of images and known classes stay.
Target presence_of(const Target& target);

/// The part of `target` that is of one of its images.
Target image_of(const Target& target, std::int64_t index);

/// The tensors of a target as losses take them.
class TargetViews {
 public:
  explicit TargetViews(const Target& target);

  /// Sets tensors and flags; `input` borrows from this.
  void put_into(osteon_loss_input& input) const;

 private:
  sdk::TorchView planes_, valid_, sample_weight_, pixel_weight_, class_valid_, soft_;
};

}  // namespace osteon::train
