// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include <torch/nn/modules/container/sequential.h>

#include "encoder.hpp"
#include "layers/inference_conv.hpp"

namespace osteon::encoders {

/// The contracting path of the first U-Net, with normalisation and padding: at strides 1, 2, 4, 8 and 16 two 3x3
/// convolutions to 64, 128, 256, 512 and 1024 channels, 2x2 maxima in between.
///
/// Ronneberger, Fischer, Brox, "U-Net: convolutional networks for biomedical image segmentation", MICCAI 2015.
/// Initialised as the paper says: normal with variance 2 / fan in, biases 0. Output stride 32 asks for nothing here: no
/// stride exceeds 16.
class BasicEncoderImpl : public EncoderImpl, public layers::HasInferenceConvs {
 public:
  explicit BasicEncoderImpl(const EncoderOptions& options);
  std::vector<torch::Tensor> forward(const torch::Tensor& x) override;
  std::vector<torch::Tensor> infer(const torch::Tensor& x) override;
  void forget_prepared() override {
    for (layers::InferenceConv& step : infer_) step.forget();
  }
  std::int64_t stage_of(const std::string& name) const override { return layers::number_behind("levels.", name); }
  bool has_full_resolution() const noexcept override { return true; }

 private:
  std::vector<torch::nn::Sequential> levels_;
  std::vector<layers::InferenceConv> infer_;  ///< two for each level
};

}  // namespace osteon::encoders
