// SPDX-License-Identifier: Apache-2.0
#include "normalise.hpp"

namespace osteon::layers {

at::Tensor normalise(torch::nn::BatchNorm2d& norm, const at::Tensor& x) {
  if (!norm->is_training() || x.numel() > x.size(1)) return norm(x);
  return at::batch_norm(x, norm->weight, norm->bias, norm->running_mean, norm->running_var, /*training=*/false,
                        /*momentum=*/0, norm->options.eps(), /*cudnn_enabled=*/false);
}

}  // namespace osteon::layers
