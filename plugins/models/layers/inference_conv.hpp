// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include <ATen/ATen.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/conv.h>

#include "activation.hpp"
#include "prepared.hpp"

namespace osteon::layers {

/// One of the images that a convolution joins, [N, H, W, C] float32 without gaps.
struct ConvInput {
  at::Tensor image;
  bool doubled = false;  ///< half the height and width: every pixel stands for 2x2, as after a resize to the nearest
};

/// Zeros around an image: in front of the first row and column, and behind the last ones.
struct Padding {
  std::int64_t before = 0, after = 0;
};

/// Weights of a convolution and the normalisation after it as one affine map.
struct Folded {
  at::Tensor weight;  ///< [O, C, k, k]
  at::Tensor shift;   ///< [O]
};
/// @param norm  may be empty
Folded fold(const torch::nn::Conv2dImpl& conv, const torch::nn::BatchNorm2d& norm);

/// A convolution and the batch normalisation after it as one step of inference on the CPU, in float32: normalisation
/// folded into the weights, inputs joined and doubled while they are read, what follows done while results are written.
///
/// 3x3 convolutions of stride 1, dilated or not, are done as Winograd's (winograd.hpp), all others as products of
/// matrices (patches.hpp). The weights are folded, transformed and laid out at the first call; those of 3x3 kernels
/// then take four times their memory. After forget() they are made anew. Calls may come from several threads at once,
/// forget() may not come meanwhile.
class InferenceConv {
 public:
  /// @param conv     with one group
  /// @param norm     may be empty
  /// @param inputs   channels of the images that it joins; empty: there is one
  /// @param padding  in place of the layer's own
  explicit InferenceConv(torch::nn::Conv2d conv, torch::nn::BatchNorm2d norm = nullptr,
                         std::vector<std::int64_t> inputs = {}, std::optional<Padding> padding = {});
  /// Of the convolution at place `first` of a sequence and the normalisation after it.
  InferenceConv(const torch::nn::Sequential& sequence, std::size_t first, std::vector<std::int64_t> inputs = {});

  /// activation(norm(conv(inputs)) + residual); [N, H', W', O].
  /// @param residual  as the result, or undefined
  at::Tensor operator()(const std::vector<ConvInput>& inputs, Activation activation,
                        const at::Tensor& residual = {}) const;
  at::Tensor operator()(const at::Tensor& image, Activation activation, const at::Tensor& residual = {}) const {
    return (*this)(std::vector<ConvInput>{{image, false}}, activation, residual);
  }

  /// norm(conv(image)) as models give their logits: [N, O, H', W'].
  at::Tensor planes(const at::Tensor& image) const;

  /// norm(conv(image * factors)) + residual for a 1x1 convolution, whose weights take the factors: there are fewer of
  /// them than pixels.
  /// @param factors  [N, C]
  at::Tensor weighed(const at::Tensor& image, const at::Tensor& factors, const at::Tensor& residual = {}) const;

  /// The layers' weights or statistics are not what they were.
  void forget() { prepared_.forget(); }

 private:
  struct Weights;

  std::shared_ptr<const Weights> prepared() const;
  bool is_winograd() const;

  torch::nn::Conv2d conv_;
  torch::nn::BatchNorm2d norm_;
  std::vector<std::int64_t> inputs_;
  std::array<Padding, 2> padding_;  ///< of rows, of columns
  Prepared<Weights> prepared_;
};

}  // namespace osteon::layers
