// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/pimpl.h>

namespace osteon::encoders {

/// Which residual network.
struct ResNetOptions {
  std::vector<std::int64_t> blocks;  ///< per stage: {2, 2, 2, 2} is ResNet-18, {3, 4, 6, 3} 34 and 50
  bool bottleneck = false;           ///< 1x1, 3x3, 1x1 with four times the channels (50, 101, 152), else 3x3, 3x3
  std::int64_t in_channels = 3;
  double width = 1;  ///< factor on all channel counts, rounded to multiples of 8; 1 gives public shapes
  std::int64_t output_stride =
      32;  ///< 32; 16 dilates the last stage instead of striding, as segmentation_models.pytorch
};

/// The options of "resnet18", "resnet34", "resnet50" or "resnet101"; throws std::invalid_argument for another name.
ResNetOptions resnet(const std::string& name);
/// The names that resnet() knows.
const std::vector<std::string>& resnet_names();

/// A residual network without its classifier.
///
/// He et al., "Deep residual learning for image recognition", CVPR 2016; names and shapes of weights are torchvision's.
/// Initialised as torchvision does: convolutions Kaiming normal (fan out), normalisation at 1 and 0.
class ResNetEncoderImpl : public torch::nn::Module {
 public:
  explicit ResNetEncoderImpl(const ResNetOptions& options);

  /// @param x  [N, C, H, W]; H and W multiples of the output stride.
  /// @return features at strides 1 (x itself), 2, 4, 8, 16 and 32 (or 16 again with that output stride).
  std::vector<torch::Tensor> forward(const torch::Tensor& x);

  /// Channels of each feature of forward().
  const std::vector<std::int64_t>& channels() const noexcept { return channels_; }

 private:
  std::vector<std::int64_t> channels_;
  torch::nn::Conv2d conv1_{nullptr};
  torch::nn::BatchNorm2d bn1_{nullptr};
  std::vector<torch::nn::Sequential> stages_;
};
TORCH_MODULE(ResNetEncoder);

}  // namespace osteon::encoders
