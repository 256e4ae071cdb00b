// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include <ATen/ATen.h>
#include <torch/nn/modules/conv.h>

#include "prepared.hpp"

namespace osteon::layers {

/// A transposed 2x2 convolution of stride 2 for inference on the CPU, in float32, as InferenceConv is for others. Calls
/// may come from several threads at once, forget() may not come meanwhile.
class InferenceTransposed {
 public:
  /// @param conv  with one group, a bias and no padding
  explicit InferenceTransposed(torch::nn::ConvTranspose2d conv);
  /// [N, H, W, C] to [N, 2 H, 2 W, O].
  at::Tensor operator()(const at::Tensor& image) const;
  void forget() { prepared_.forget(); }

 private:
  struct Weights;

  torch::nn::ConvTranspose2d conv_;
  Prepared<Weights> prepared_;
};

}  // namespace osteon::layers
