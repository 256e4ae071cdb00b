// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include <osteon/sdk/torch/modules.hpp>

#include "layers/layer_norm.hpp"

namespace osteon::models {

/// Which ConvNeXt.
struct ConvNextOptions {
  std::array<std::int64_t, 4> channels{};
  std::array<std::int64_t, 4> depths{};
  std::int64_t in_channels = 3;
  double drop_path = 0;       ///< of the last block; the rates rise linearly from 0
  double layer_scale = 1e-6;  ///< what each block's branch is first multiplied by
  bool checkpointing = false;
};

/// The options of "tiny", "small", "base", "large" or "xlarge", channels multiplied by `width` in steps of 8; throws
/// std::invalid_argument for another name.
ConvNextOptions convnext(const std::string& variant, double width);
/// The names that convnext() knows.
const std::vector<std::string>& convnext_variants();

/// 7x7 depthwise convolution, normalisation and two linear layers, scaled and added to the input. [N, H, W, C].
class ConvNextBlockImpl : public torch::nn::Module {
 public:
  ConvNextBlockImpl(std::int64_t channels, double layer_scale, double drop_rate);
  at::Tensor forward(const at::Tensor& x);
  /// In place, by own kernels (layers/inference_ops.hpp), by groups of pixels: the hidden layer is never whole.
  void infer(at::Tensor& x);

 private:
  torch::nn::Conv2d dwconv_{nullptr};
  layers::LayerNorm norm_{nullptr};
  torch::nn::Linear pwconv1_{nullptr}, pwconv2_{nullptr};
  at::Tensor scale_;
  double drop_rate_;
};
TORCH_MODULE(ConvNextBlock);

/// ConvNeXt without its classifier, each stage's output normalised.
///
/// Liu et al., "A ConvNet for the 2020s", CVPR 2022, arXiv:2201.03545. Names and shapes of weights are those of Hugging
/// Face's ConvNextBackbone (since 4.26).
class ConvNextEncoderImpl : public torch::nn::Module {
 public:
  explicit ConvNextEncoderImpl(const ConvNextOptions& options);

  /// @param image  [N, C, H, W]; H and W multiples of 32
  /// @return features [N, h, w, C_i] at strides 4, 8, 16 and 32
  std::vector<at::Tensor> forward(const at::Tensor& image);
  /// forward() by own kernels, where layers::own_kernels_apply.
  std::vector<at::Tensor> infer(const at::Tensor& image);

 private:
  /// The first stage's convolution comes before its normalisation, the others' after it.
  struct Stage {
    torch::nn::Conv2d reduce{nullptr};
    layers::LayerNorm reduce_norm{nullptr};
    std::vector<ConvNextBlock> blocks;
    layers::LayerNorm norm{nullptr};
  };
  std::vector<Stage> stages_;
  bool checkpointing_;
};
TORCH_MODULE(ConvNextEncoder);

}  // namespace osteon::models
