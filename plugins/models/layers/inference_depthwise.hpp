// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include <ATen/ATen.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/conv.h>

#include "activation.hpp"
#include "inference_conv.hpp"
#include "prepared.hpp"

namespace osteon::layers {

/// A convolution of each channel by itself and the batch normalisation after it as one step of inference on the CPU, in
/// float32, as InferenceConv is for the others. Calls may come from several threads at once, forget() may not come
/// meanwhile.
class InferenceDepthwise {
 public:
  /// @param conv     square, of 3x3 or 5x5, with as many groups as channels
  /// @param padding  in place of the layer's own
  InferenceDepthwise(torch::nn::Conv2d conv, torch::nn::BatchNorm2d norm, std::optional<Padding> padding = {});

  struct Result {
    at::Tensor image;  ///< [N, H', W', C]
    at::Tensor mean;   ///< of each channel over its image, [N, C]
  };
  /// activation(norm(conv(image))); `image` [N, H, W, C].
  Result operator()(const at::Tensor& image, Activation activation) const;

  void forget() { prepared_.forget(); }

 private:
  torch::nn::Conv2d conv_;
  torch::nn::BatchNorm2d norm_;
  Padding padding_;
  Prepared<Folded> prepared_;  ///< the weights as [k * k, C]
};

}  // namespace osteon::layers
