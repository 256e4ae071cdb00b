// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include <osteon/sdk/torch/modules.hpp>

namespace osteon::models {

/// Convolution without bias, batch normalisation, ReLU.
class ConvNormImpl : public torch::nn::Module {
 public:
  /// @param kernel  side of the kernel, odd; the padding keeps the size
  ConvNormImpl(std::int64_t in, std::int64_t out, std::int64_t kernel);
  at::Tensor forward(const at::Tensor& x);
  /// forward() of [N, H, W, C] by own kernels.
  at::Tensor infer(const at::Tensor& x);

  const at::Tensor& weight() const { return conv_->weight; }
  const torch::nn::BatchNorm2d& norm() const { return norm_; }

 private:
  torch::nn::Conv2d conv_{nullptr};
  torch::nn::BatchNorm2d norm_{nullptr};
};
TORCH_MODULE(ConvNorm);

/// What the heads of UPerNet share in a recipe.
struct HeadOptions {
  std::int64_t channels = 512;
  std::int64_t n_classes = 1;
  double dropout = 0;  ///< share of whole channels that training drops before the classifier
  double prior = 0.5;  ///< probability that every class starts with
  bool checkpointing = false;
};

/// UPerNet's head: a pyramid of pooled features on the coarsest level, a feature pyramid above it, all levels fused.
///
/// Xiao et al., "Unified perceptual parsing for scene understanding", ECCV 2018, arXiv:1807.10221. Names of weights are
/// those of Hugging Face's UperNetHead. All resizing is bilinear with align_corners = false. What is pooled to one
/// pixel of a single image is normalised with the running statistics (layers::normalise).
class UperHeadImpl : public torch::nn::Module {
 public:
  /// @param in  channels of the features, fine to coarse
  UperHeadImpl(const std::vector<std::int64_t>& in, const HeadOptions& options);
  /// @param features  [N, h, w, C_i], fine to coarse
  /// @return logits [N, n_classes, H / 4, W / 4]
  at::Tensor forward(const std::vector<at::Tensor>& features);
  /// forward() by own kernels. Where resized maps are joined and convolved, the convolution is done on the coarse grids
  /// (layers::add_convolved_upsampled_), which saves more than half of the network's multiplications.
  at::Tensor infer(const std::vector<at::Tensor>& features);

 private:
  at::Tensor pool(const at::Tensor& coarsest);
  at::Tensor fuse(const std::vector<at::Tensor>& levels);
  at::Tensor infer_pool(const at::Tensor& coarsest);
  at::Tensor infer_fuse(const std::vector<at::Tensor>& levels);

  std::vector<ConvNorm> pooled_;
  ConvNorm bottleneck_{nullptr};
  std::vector<ConvNorm> lateral_convs_, fpn_convs_;
  ConvNorm fpn_bottleneck_{nullptr};
  torch::nn::Dropout2d dropout_{nullptr};
  torch::nn::Conv2d classifier_{nullptr};
  bool checkpointing_;
};
TORCH_MODULE(UperHead);

/// The auxiliary head: one convolution and a classifier on one level. Names as Hugging Face's UperNetFCNHead.
class FcnHeadImpl : public torch::nn::Module {
 public:
  FcnHeadImpl(std::int64_t in, const HeadOptions& options);
  /// @param feature  [N, h, w, C]
  /// @return logits [N, n_classes, h, w]
  at::Tensor forward(const at::Tensor& feature);

 private:
  torch::nn::ModuleList convs_;
  torch::nn::Dropout2d dropout_{nullptr};
  torch::nn::Conv2d classifier_{nullptr};
};
TORCH_MODULE(FcnHead);

}  // namespace osteon::models
