// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include <torch/nn/modules/normalization.h>

namespace osteon::layers {

/// torch.nn.LayerNorm over the last dimension whose statistics are always float32.
///
/// torch.autocast does so on CUDA. On the CPU it does not, and LibTorch 1.13 refuses bfloat16 rows with float32
/// weights.
class LayerNormImpl : public torch::nn::LayerNormImpl {
 public:
  explicit LayerNormImpl(std::int64_t channels, double epsilon = 1e-5)
      : torch::nn::LayerNormImpl(torch::nn::LayerNormOptions({channels}).eps(epsilon)) {}

  /// [..., C] of any float type to [..., C] float32.
  at::Tensor forward(const at::Tensor& x) { return torch::nn::LayerNormImpl::forward(x.to(at::kFloat)); }
};
TORCH_MODULE(LayerNorm);

}  // namespace osteon::layers
