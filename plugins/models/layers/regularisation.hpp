// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include <ATen/ATen.h>

namespace osteon::layers {

/// Stochastic depth: each image's residual branch counts 0 with the given probability, else 1 / (1 - probability), by
/// LibTorch's default generator.
///
/// Huang et al., "Deep networks with stochastic depth", ECCV 2016.
/// @param branch  [N, ...]
at::Tensor drop_path(const at::Tensor& branch, double probability, bool training);

/// The rate of each of `blocks` blocks, from 0 for the first to `last` for the last.
std::vector<double> drop_path_rates(std::int64_t blocks, double last);

}  // namespace osteon::layers
