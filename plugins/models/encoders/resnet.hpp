// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <torch/nn/modules/container/sequential.h>

#include "encoder.hpp"
#include "layers/inference_conv.hpp"

namespace osteon::encoders {

/// Which residual network.
struct ResNetVariant {
  std::vector<std::int64_t> blocks;  ///< per stage: {2, 2, 2, 2} is ResNet-18, {3, 4, 6, 3} 34 and 50
  bool bottleneck = false;           ///< 1x1, 3x3, 1x1 with four times the channels (50, 101), else 3x3, 3x3
};

/// "resnet18", "resnet34", "resnet50" or "resnet101"; nothing for another name.
std::optional<ResNetVariant> resnet(const std::string& name);
/// The names that resnet() knows.
const std::vector<std::string>& resnet_names();

class ResNetBlockImpl;

/// A residual network without its classifier; features at strides 1 (the image itself), 2, 4, 8, 16 and 32.
///
/// He et al., "Deep residual learning for image recognition", CVPR 2016; names and shapes of weights are torchvision's.
/// Initialised as torchvision does: convolutions Kaiming normal (fan out), normalisation at 1 and 0. Output strides
/// 16 and 8 dilate the last stage or two instead of striding, by 2 and 4, as segmentation_models.pytorch does.
class ResNetEncoderImpl : public EncoderImpl, public layers::HasInferenceConvs {
 public:
  ResNetEncoderImpl(const ResNetVariant& variant, const EncoderOptions& options);
  std::vector<torch::Tensor> forward(const torch::Tensor& x) override;
  std::vector<torch::Tensor> infer(const torch::Tensor& x) override;
  void forget_prepared() override { infer_stem_->forget(); }
  std::int64_t stage_of(const std::string& name) const override {
    return std::max<std::int64_t>(0, layers::number_behind("layer", name));
  }

 private:
  torch::nn::Sequential stem_{nullptr};  ///< of conv1 and bn1, which are registered by their public names
  std::optional<layers::InferenceConv> infer_stem_;
  std::vector<std::vector<std::shared_ptr<ResNetBlockImpl>>> stages_;
};

}  // namespace osteon::encoders
