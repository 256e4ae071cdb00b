// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/conv.h>

#include "inference_conv.hpp"
#include "inference_transposed.hpp"

namespace osteon::layers {

/// A step of a U-Net's way up: doubles the grid of its first input, joins the others to it, and convolves twice.
class DecoderBlockImpl : public torch::nn::Module, public HasInferenceConvs {
 public:
  /// @param in          channels of the first input
  /// @param joined      channels of each of the others
  /// @param upsampling  "nearest", "bilinear" (align_corners = true) or "transposed", a 2x2 convolution to `out`
  /// channels
  DecoderBlockImpl(std::int64_t in, const std::vector<std::int64_t>& joined, std::int64_t out,
                   const std::string& upsampling);
  /// @param inputs  [N, in, h, w], then any number of [N, C, 2h, 2w]
  /// @return [N, out, 2h, 2w]
  torch::Tensor forward(const std::vector<torch::Tensor>& inputs);
  /// forward() of [N, h, w, C] by own kernels, which do not join: they read where it would come from.
  torch::Tensor infer(const std::vector<torch::Tensor>& inputs) const;
  void forget_prepared() override;

 private:
  torch::Tensor doubled(const torch::Tensor& x);

  bool bilinear_;
  torch::nn::ConvTranspose2d up_{nullptr};
  torch::nn::Sequential conv1_{nullptr}, conv2_{nullptr};
  std::vector<InferenceConv> infer_;  ///< of conv1 and conv2
  std::optional<InferenceTransposed> infer_up_;
};
TORCH_MODULE(DecoderBlock);

}  // namespace osteon::layers
