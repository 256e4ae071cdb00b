// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <torch/nn/modules/container/sequential.h>

#include "encoder.hpp"
#include "layers/inference_conv.hpp"

namespace osteon::encoders {

/// How B0 is scaled, and what that leads to.
struct EfficientNetVariant {
  double width;             ///< factor on B0's channels
  double depth;             ///< factor on the number of blocks of each stage
  std::int64_t resolution;  ///< side of the images that it was made for, which decides its padding
  /// How many blocks lie before the features at strides 4, 8 and 16.
  std::array<std::size_t, 3> features;
};

/// "efficientnet-b0" to "efficientnet-b7"; nothing for another name.
std::optional<EfficientNetVariant> efficientnet(const std::string& name);
/// The names that efficientnet() knows.
const std::vector<std::string>& efficientnet_names();

class MBConvBlockImpl;

/// EfficientNet without its classifier; features at strides 1 (the image itself), 2, 4, 8, 16 and 32.
///
/// Tan, Le, "EfficientNet: rethinking model scaling for convolutional neural networks", ICML 2019, arXiv:1905.11946.
/// Names and shapes of weights are those of EfficientNet-PyTorch and of segmentation_models.pytorch, and so is what
/// differs from the paper's figures: padding on strides is that of TensorFlow for the variant's own resolution,
/// whatever the image's size; B0's feature at stride 16 is taken two blocks before that stride ends; output stride
/// 16 dilates all blocks behind that feature by 2, output stride 8 those behind the feature before it by 2 and the rest
/// by 4. Their last convolution and normalisation, which only a classifier uses, are kept as buffers, so that files fit
/// in both directions and nothing of them is trained.
///
/// Initialised as the authors' code does: convolutions normal with variance 2 / fan out, biases 0. Stochastic depth
/// skips up to 0.2 of the images, earlier blocks linearly fewer.
class EfficientNetEncoderImpl : public EncoderImpl, public layers::HasInferenceConvs {
 public:
  EfficientNetEncoderImpl(const EfficientNetVariant& variant, const EncoderOptions& options);
  std::vector<torch::Tensor> forward(const torch::Tensor& x) override;
  std::vector<torch::Tensor> infer(const torch::Tensor& x) override;
  void forget_prepared() override { infer_stem_->forget(); }
  std::int64_t stage_of(const std::string& name) const override;

 private:
  /// The features of an image and what the stem makes of it; `run_block` takes one of blocks_ and its input.
  template <class RunBlock>
  std::vector<torch::Tensor> features(const torch::Tensor& image, torch::Tensor y, const RunBlock& run_block);

  torch::nn::Sequential stem_{nullptr};  ///< of _conv_stem and _bn0, which are registered by their public names
  std::optional<layers::InferenceConv> infer_stem_;
  std::vector<std::shared_ptr<MBConvBlockImpl>> blocks_;
  std::array<std::size_t, 3> features_;
};

}  // namespace osteon::encoders
