// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/types.h>

#include <osteon/sdk/tensor.hpp>

#include "data/loader.hpp"
#include "train/target.hpp"

namespace osteon::train {

/// A batch's images on a device, [N, C, H, W] float32. On the CPU they are the batch's own memory, which outlives them.
torch::Tensor images_of(const data::Batch& batch, osteon_device device);

/// What is true of them, likewise. `dataset`: the batch's.
Target target_of(const data::Batch& batch, const data::Dataset& dataset, osteon_device device);

}  // namespace osteon::train
