// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include <osteon/sdk/torch/modules.hpp>

#include "layers/layer_norm.hpp"

namespace osteon::models {

/// Which Mix Transformer.
struct MitOptions {
  std::array<std::int64_t, 4> channels{};  ///< per stage, a multiple of the stage's heads
  std::array<std::int64_t, 4> depths{};
  std::array<std::int64_t, 4> heads{1, 2, 5, 8};
  std::array<std::int64_t, 4> reductions{8, 4, 2, 1};  ///< sides of the squares of tokens that become one key
  std::int64_t decoder_channels = 256;                 ///< that the published SegFormer of this encoder has
  std::int64_t in_channels = 3;
  double drop_path = 0;        ///< of the last block; the rates rise linearly from 0
  bool checkpointing = false;  ///< recompute each block on the way back
};

/// The options of "b0" to "b5", channels multiplied by `width` in steps of the heads; throws std::invalid_argument for
/// another name.
MitOptions mit(const std::string& variant, double width);
/// The names that mit() knows.
const std::vector<std::string>& mit_variants();

/// Attention of all tokens to those of a coarser grid. Images are [N, H, W, C] in and out.
class MixAttentionImpl : public torch::nn::Module {
 public:
  MixAttentionImpl(std::int64_t channels, std::int64_t heads, std::int64_t reduction);
  at::Tensor forward(const at::Tensor& x);
  /// forward() by own kernels; see layers/inference_ops.hpp.
  at::Tensor infer(const at::Tensor& x);

 private:
  std::int64_t heads_;
  torch::nn::Linear query_{nullptr}, key_{nullptr}, value_{nullptr}, dense_{nullptr};
  torch::nn::Conv2d sr_{nullptr};
  layers::LayerNorm norm_{nullptr};
};
TORCH_MODULE(MixAttention);

/// Two linear layers with a 3x3 depthwise convolution between them, which is all the position that tokens know.
class MixFeedForwardImpl : public torch::nn::Module {
 public:
  MixFeedForwardImpl(std::int64_t channels, std::int64_t hidden);
  at::Tensor forward(const at::Tensor& x);
  /// sum += forward(x) by own kernels, by bands of rows: the hidden layer is never whole.
  void infer(const at::Tensor& x, at::Tensor& sum);

 private:
  torch::nn::Linear dense1_{nullptr}, dense2_{nullptr};
  torch::nn::Conv2d dwconv_{nullptr};
};
TORCH_MODULE(MixFeedForward);

/// x + attention(norm(x)), then x + feed-forward(norm(x)).
class MitBlockImpl : public torch::nn::Module {
 public:
  /// @param drop_rate  share of the images for which training skips each branch
  MitBlockImpl(std::int64_t channels, std::int64_t heads, std::int64_t reduction, double drop_rate);
  at::Tensor forward(const at::Tensor& x);
  /// In place, by own kernels.
  void infer(at::Tensor& x);

 private:
  layers::LayerNorm norm1_{nullptr}, norm2_{nullptr};
  MixAttention attention_{nullptr};
  MixFeedForward mlp_{nullptr};
  double drop_rate_;
};
TORCH_MODULE(MitBlock);

/// Mix Transformer, SegFormer's encoder.
///
/// Xie et al., "SegFormer: simple and efficient design for semantic segmentation with transformers", NeurIPS 2021,
/// arXiv:2105.15203, written from the paper. Names and shapes of weights are those of Hugging Face's
/// SegformerForSemanticSegmentation below `segformer.encoder.`; all normalisation has epsilon 1e-5, as there.
class MitEncoderImpl : public torch::nn::Module {
 public:
  explicit MitEncoderImpl(const MitOptions& options);

  /// @param image  [N, C, H, W]; H and W multiples of 32
  /// @return features [N, h, w, C_i] at strides 4, 8, 16 and 32
  std::vector<at::Tensor> forward(const at::Tensor& image);
  /// forward() by own kernels, where layers::own_kernels_apply.
  std::vector<at::Tensor> infer(const at::Tensor& image);

 private:
  struct Stage {
    torch::nn::Conv2d embed{nullptr};
    layers::LayerNorm embed_norm{nullptr};
    std::vector<MitBlock> blocks;
    layers::LayerNorm norm{nullptr};
  };
  std::vector<Stage> stages_;
  bool checkpointing_;
};
TORCH_MODULE(MitEncoder);

}  // namespace osteon::models
