// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include <osteon/sdk/torch/modules.hpp>

namespace osteon::models {

/// 3x3 convolution with bias, batch normalisation, ReLU. Names of weights: "0" and "1".
///
/// Statistics of the batch take a bias out again, so in training it is left out: the result is the same, and the
/// bias's gradient is 0 instead of a rounding error, which Adam would scale up. Running statistics are those with it.
class ConvNormReluImpl : public torch::nn::Module {
 public:
  ConvNormReluImpl(std::int64_t in, std::int64_t out);
  at::Tensor forward(const at::Tensor& x);
  /// Without the ReLU, of the convolution of `x` that is resized to `factor` times its size (factor >= 1).
  at::Tensor normalised(const at::Tensor& x, std::int64_t factor = 1);
  /// forward() of [N, H, W, C] by own kernels.
  at::Tensor infer(const at::Tensor& x) const;

  const torch::nn::Conv2d& conv() const { return conv_; }
  const torch::nn::BatchNorm2d& norm() const { return norm_; }

 private:
  torch::nn::Conv2d conv_{nullptr};
  torch::nn::BatchNorm2d norm_{nullptr};
};
TORCH_MODULE(ConvNormRelu);

/// One level of the encoder: two convolutions.
class EncoderLevelImpl : public torch::nn::Module {
 public:
  EncoderLevelImpl(std::int64_t in, std::int64_t out);
  at::Tensor forward(const at::Tensor& x);
  /// forward() of [N, H, W, C] by own kernels.
  at::Tensor infer(const at::Tensor& x) const;

 private:
  ConvNormRelu conv1_{nullptr}, conv2_{nullptr};
};
TORCH_MODULE(EncoderLevel);

/// A node of the decoder: every level of the network, brought to this node's grid and convolved to one width, joined
/// and fused.
///
/// Finer levels are pooled before their convolution and coarser ones are resized before it, by whole factors. The
/// latter is done by layers::convolve_upsampled, so that no resized level ever exists: the coarsest one, of 16 times
/// the width, would be the greatest tensor of the network by far.
class FullScaleNodeImpl : public torch::nn::Module {
 public:
  /// @param level     the grid that the node works on, 0 the finest: level s has stride 2^s
  /// @param channels  of the sources, the finest level first
  /// @param width     that each source is brought to
  FullScaleNodeImpl(std::int64_t level, const std::vector<std::int64_t>& channels, std::int64_t width);

  /// @param sources  one per level, [N, C_s, H / 2^s, W / 2^s]
  /// @return [N, levels x width, H / 2^level, W / 2^level]
  at::Tensor forward(const std::vector<at::Tensor>& sources);

  /// The first half of inference by own kernels: source `s`, not coarser than the node, ready to be joined. Then the
  /// feature itself, which is several times as large, need not be kept.
  /// @param feature  [N, h, w, C_s]; @return [N, h', w', width]
  at::Tensor infer_skip(std::size_t s, const at::Tensor& feature) const;

  /// The second half: image `n`, rows [begin, end) of what forward() gives, so that what is joined need not be whole.
  /// @param sources  infer_skip's results up to the node's level, then coarser levels as they are, [N, h, w, C_s]
  /// @return [end - begin, W / 2^level, levels x width]
  at::Tensor infer_rows(const std::vector<at::Tensor>& sources, std::int64_t n, std::int64_t begin,
                        std::int64_t end) const;

  /// All of it, [N, h, w, levels x width].
  at::Tensor infer(const std::vector<at::Tensor>& sources) const;

  /// How many rows infer_rows should do at once on a grid of this width: what is joined is then some tens of MiB.
  std::int64_t rows_at_once(std::int64_t grid_width) const;

  /// The convolution of source `s` and its normalisation.
  const ConvNormRelu& skip(std::size_t s) const { return skips_[s]; }
  /// The convolution over all that is joined.
  const ConvNormRelu& fusion() const { return fusion_; }

 private:
  at::Tensor bring(std::size_t s, const at::Tensor& source);

  std::size_t level_;
  std::vector<ConvNormRelu> skips_;
  ConvNormRelu fusion_{nullptr};
};
TORCH_MODULE(FullScaleNode);

/// Max pooling of `side` x `side` pixels; what is left over at the border is pooled too.
at::Tensor pool(const at::Tensor& x, std::int64_t side);
/// The same of [N, H, W, C].
at::Tensor pool_channels_last(const at::Tensor& x, std::int64_t side);

}  // namespace osteon::models
