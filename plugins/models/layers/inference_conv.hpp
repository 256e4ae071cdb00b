// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include <ATen/ATen.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/conv.h>

namespace osteon::layers {

/// One of the images that a convolution joins, [N, H, W, C] float32 without gaps.
struct ConvInput {
  at::Tensor image;
  bool doubled = false;  ///< half the height and width: every pixel stands for 2x2, as after a resize to the nearest
};

/// A convolution and the batch normalisation after it as one step of inference on the CPU, in float32: normalisation
/// folded into the weights, inputs joined and doubled while they are read, what follows done while results are written.
///
/// 3x3 convolutions of stride 1, dilated or not, are done as Winograd's (winograd.hpp), 1x1 ones as matrix products
/// (gemm.hpp), others by oneDNN. The weights are folded, transformed and laid out at the first call, by whichever
/// thread comes first; those of 3x3 kernels then take four times their memory. After forget() they are made anew. Calls
/// may come from several threads at once, forget() may not come meanwhile.
class InferenceConv {
 public:
  /// @param conv    with one group
  /// @param norm    may be empty
  /// @param inputs  channels of the images that it joins; empty: there is one
  explicit InferenceConv(torch::nn::Conv2d conv, torch::nn::BatchNorm2d norm = nullptr,
                         std::vector<std::int64_t> inputs = {});
  /// Of the convolution at place `first` of a sequence and the normalisation after it.
  InferenceConv(const torch::nn::Sequential& sequence, std::size_t first, std::vector<std::int64_t> inputs = {});

  /// relu(norm(conv(inputs)) + residual), the last two steps where they are wanted; [N, H', W', O].
  /// @param residual  as the result, or undefined
  at::Tensor operator()(const std::vector<ConvInput>& inputs, bool relu, const at::Tensor& residual = {}) const;
  at::Tensor operator()(const at::Tensor& image, bool relu, const at::Tensor& residual = {}) const {
    return (*this)(std::vector<ConvInput>{{image, false}}, relu, residual);
  }

  /// The layers' weights or statistics are not what they were.
  void forget();

 private:
  enum class Way { kPixels, kWinograd, kOneDnn };
  struct Prepared;

  std::shared_ptr<const Prepared> prepared() const;
  Way way() const;

  torch::nn::Conv2d conv_;
  torch::nn::BatchNorm2d norm_;
  std::vector<std::int64_t> inputs_;
  std::unique_ptr<std::mutex> mutex_ = std::make_unique<std::mutex>();
  mutable std::shared_ptr<const Prepared> prepared_;
};

/// A module that has InferenceConvs.
class HasInferenceConvs {
 public:
  virtual ~HasInferenceConvs() = default;
  virtual void forget_prepared() = 0;
};

/// Makes every part of `module` prepare anew what it derived from its weights and statistics.
void forget_prepared(torch::nn::Module& module);

}  // namespace osteon::layers
