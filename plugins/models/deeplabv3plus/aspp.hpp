// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include <osteon/sdk/torch/modules.hpp>

#include "layers/inference_conv.hpp"

namespace osteon::models {

/// In place: what it takes is needed no more.
inline torch::nn::ReLU relu() { return torch::nn::ReLU(torch::nn::ReLUOptions(/*inplace=*/true)); }

/// A 3x3 convolution of each channel by itself, then a 1x1 convolution that mixes them; nothing in between.
class SeparableConvImpl : public torch::nn::Module {
 public:
  SeparableConvImpl(std::int64_t in, std::int64_t out, std::int64_t dilation);
  torch::Tensor forward(const torch::Tensor& x) { return mix_(spatial_(x)); }

  const torch::nn::Conv2d& spatial() const noexcept { return spatial_; }
  const torch::nn::Conv2d& mix() const noexcept { return mix_; }

 private:
  torch::nn::Conv2d spatial_{nullptr}, mix_{nullptr};
};
TORCH_MODULE(SeparableConv);

/// Atrous spatial pyramid pooling: a 1x1 convolution, separable 3x3 convolutions at several dilations and the image's
/// average, side by side; joined and mixed by a 1x1 convolution.
///
/// Chen et al., "Rethinking atrous convolution for semantic image segmentation", arXiv:1706.05587, with the separable
/// convolutions of arXiv:1802.02611. Every convolution is followed by batch normalisation and ReLU.
///
/// The average of a single image is normalised with the running statistics (layers::normalise).
class AsppImpl : public torch::nn::Module, public layers::HasInferenceConvs {
 public:
  /// @param rates    dilations of the 3x3 convolutions
  /// @param dropout  share of the result's values that training drops
  AsppImpl(std::int64_t in, std::int64_t out, const std::vector<std::int64_t>& rates, double dropout);
  /// @param x  [N, in, h, w]
  /// @return [N, out, 1, 1]: what the branch of the image's average gives for every pixel
  torch::Tensor pool(const torch::Tensor& x);
  /// @param x       [N, in, h, w]
  /// @param pooled  pool(x)
  /// @return [N, out, h, w]
  torch::Tensor forward(const torch::Tensor& x, const torch::Tensor& pooled);
  /// forward() of [N, h, w, C] and its pool() by own kernels.
  torch::Tensor infer(const torch::Tensor& x) const;
  void forget_prepared() override;

 private:
  std::vector<torch::nn::Sequential> branches_;  ///< all but the pooled one
  torch::nn::Conv2d pooled_conv_{nullptr};
  torch::nn::BatchNorm2d pooled_norm_{nullptr};
  torch::nn::Sequential project_{nullptr};
  std::vector<SeparableConv> atrous_;                  ///< of branches_
  std::vector<layers::InferenceConv> infer_branches_;  ///< what follows the depthwise convolutions, where there is one
  std::optional<layers::InferenceConv> infer_pooled_, infer_project_;
};
TORCH_MODULE(Aspp);

}  // namespace osteon::models
