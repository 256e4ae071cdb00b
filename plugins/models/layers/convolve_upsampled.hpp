// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include <ATen/ATen.h>

namespace osteon::layers {

/// The 3x3 convolution (padding 1) of `x` resized bilinearly (align_corners = false) to `factor` times its size,
/// without making the resized `x`. Differentiable, on any device.
///
/// A resize mixes pixels and a convolution's tap mixes channels, so they commute: the nine taps are applied on the
/// coarse grid, and what comes out, of the convolution's width, is resized and moved. That takes 1 / factor^2 of the
/// multiplications, and the way back keeps the coarse `x` where the long way round keeps the resized one.
/// @param x       [N, C, h, w]
/// @param weight  [O, C, 3, 3]
/// @param bias    [O] or undefined
/// @param factor  2 or more
/// @return [N, O, factor h, factor w]
at::Tensor convolve_upsampled(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                              std::int64_t factor);

}  // namespace osteon::layers
