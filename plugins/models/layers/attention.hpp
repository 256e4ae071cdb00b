// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/ATen.h>

namespace osteon::layers {

/// softmax(q k^T / sqrt(d)) v for training, on any device. Queries go by bands and on the way back once more, so the
/// L x M scores are never whole and none are kept: for the first level of a Mix Transformer those grow with the square
/// of the pixels. In half precision the softmax and the sums over bands are float32.
///
/// Rabe, Staats, "Self-attention does not need O(n^2) memory", arXiv:2112.05682. On CUDA, LibTorch's own kernel
/// since 2.0.
///
/// @param q     [N, heads, L, d]
/// @param k, v  [N, heads, M, d]
/// @return [N, heads, L, d], the transposed view of a dense [N, L, heads, d]
at::Tensor attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v);

}  // namespace osteon::layers
