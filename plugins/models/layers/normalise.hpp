// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/ATen.h>
#include <torch/nn/modules/batchnorm.h>

namespace osteon::layers {

/// Batch normalisation of what may be a single value per channel: a map pooled to one pixel, of a batch of one image.
/// That has no statistics; in training it is normalised with the running ones, which it leaves as they are. PyTorch
/// refuses such a batch, and a run would end at the odd image that its last batch may consist of.
/// @param x  [N, C, H, W]
at::Tensor normalise(torch::nn::BatchNorm2d& norm, const at::Tensor& x);

}  // namespace osteon::layers
