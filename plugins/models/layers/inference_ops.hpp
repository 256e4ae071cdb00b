// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include <ATen/ATen.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/normalization.h>

/// Layers for inference on the CPU, without a graph: matrix products and convolutions by oneDNN, the rest by
/// kernels.hpp.
///
/// Images are [N, H, W, C] float32 without gaps, which is what both tokens and a channels-last convolution are, so
/// nothing is ever permuted. They do what LibTorch's layers do, to rounding. LibTorch's own Linear calls the system's
/// BLAS, which can be 70 times slower than oneDNN, and never fuses or reuses memory.
namespace osteon::layers {

/// Whether these serve for `image`: on the CPU, float32, no gradients recorded, no mixed precision, not being traced.
bool own_kernels_apply(const at::Tensor& image);

/// [N, C, H, W] of any strides to [N, H, W, C]; a view where the input is channels-last.
at::Tensor to_channels_last(const at::Tensor& image);
/// [N, H, W, C] to the [N, C, H, W] of LibTorch's layers: a channels-last view.
inline at::Tensor to_channels_first(const at::Tensor& image) { return image.permute({0, 3, 1, 2}); }

/// A convolution; `image` [N, H, W, C] to [N, H', W', O].
at::Tensor convolve(const torch::nn::Conv2dImpl& layer, const at::Tensor& image);

/// As above from bare weights: [O, C, k, k], stride 1, one group, `padding` on each side, no bias.
at::Tensor convolve(const at::Tensor& image, const at::Tensor& weight, std::int64_t padding);
/// With rows and columns padded differently, as bands of rows want it.
at::Tensor convolve(const at::Tensor& image, const at::Tensor& weight, std::int64_t row_padding,
                    std::int64_t column_padding);

/// x W^T + b over the last dimension, [..., C] to [..., O].
/// @param weight  [O, C] or [O, C, 1, 1]
/// @param bias    [O] or undefined
at::Tensor project(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias = {});
inline at::Tensor project(const torch::nn::LinearImpl& layer, const at::Tensor& x) {
  return project(x, layer.weight, layer.bias);
}

/// Over the last dimension; a new tensor, or `x` itself with normalise_.
at::Tensor normalise(const torch::nn::LayerNormImpl& layer, const at::Tensor& x);
void normalise_(const torch::nn::LayerNormImpl& layer, at::Tensor& x);

void gelu_(at::Tensor& x);
/// y += x * scale; `scale` [C] or undefined.
void add_scaled_(at::Tensor& y, const at::Tensor& x, const at::Tensor& scale = {});
/// x <- relu(norm(x + bias)) over the last dimension, with running statistics; `bias` [C] or undefined.
void norm_relu_(const torch::nn::BatchNorm2dImpl& norm, at::Tensor& x, const at::Tensor& bias = {});

/// softmax(q k^T / sqrt(d)) v for each head, by blocks of queries: the N x M matrix is never whole.
/// @param q     [N, L, C], heads one after the other in C
/// @param k, v  [N, M, C]
at::Tensor attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, std::int64_t heads);

/// Rows [begin, begin + fine rows) of a grid of `height` rows: fine += coarse, resized bilinearly to height x fine's
/// width (align_corners = false).
/// @param fine    [rows, W, C]; @param coarse  [h, w, C]
void add_upsampled_(at::Tensor& fine, const at::Tensor& coarse, std::int64_t begin, std::int64_t height);

/// fine += the 3x3 convolution (padding 1) of the coarse maps resized to fine's grid, without making those.
///
/// A resize mixes pixels and a convolution's tap mixes channels, so they commute: each of the nine taps is applied on
/// the coarse grid, and what comes out is resized and moved. For a factor of 2 that is a quarter of the
/// multiplications.
/// @param fine    [N, H, W, O]; @param coarse  [N, h, w, C]; @param weight  [O, C, 3, 3]
void add_convolved_upsampled_(at::Tensor& fine, const at::Tensor& coarse, const at::Tensor& weight);
/// As above for one image, rows [begin, begin + fine rows) of a grid of `height` rows.
/// @param fine    [rows, W, O]; @param coarse  [h, w, C]
void add_convolved_upsampled_(at::Tensor& fine, const at::Tensor& coarse, const at::Tensor& weight, std::int64_t begin,
                              std::int64_t height);

/// The 3x3 convolution of each channel by itself, with as much padding as dilation; [N, H, W, C].
/// @param weight  [C, 1, 3, 3]
at::Tensor convolve_depthwise(const at::Tensor& image, const at::Tensor& weight, std::int64_t dilation);
/// As above without dilation, rows [begin, end) of one image of `height` rows.
/// @param rows  [rows, W, C]: the image's rows from `first` on, to one beyond `end`
at::Tensor convolve_depthwise(const at::Tensor& rows, std::int64_t first, std::int64_t height, std::int64_t begin,
                              std::int64_t end, const at::Tensor& weight);

/// Rows [begin, begin + out rows) of a grid of `height` rows: the first channels of `out` become `coarse`, resized
/// bilinearly to height x out's width (align_corners = true).
/// @param out  [rows, W, D]; @param coarse  [h, w, C], C <= D
void resize_corners_into(at::Tensor& out, const at::Tensor& coarse, std::int64_t begin, std::int64_t height);

/// How many of `rows` to work on at once so that `floats_per_row` intermediate values each stay in the cache, while
/// there is enough work at `pixels_per_row` to pay for oneDNN's packing of the weights.
std::int64_t rows_at_once(std::int64_t rows, std::int64_t pixels_per_row, std::int64_t floats_per_row);

}  // namespace osteon::layers
