// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

namespace osteon::engine {

/// Operations by plain loops in double: what kernels are held to. Numbers are row-major.
using Numbers = std::vector<double>;

/// The result of an operation, or a gradient.
struct Expected {
  Numbers values;
  double terms = 1;  ///< how many numbers are summed up for one of them
};

/// The result of an operation on some operands, and the gradient of <result, cotangent> by each of them.
struct ExpectedResults {
  Expected output;
  std::vector<Expected> gradients;
};

/// A convolution [N, in, H, W] to [N, out, h, w] with weights [out, in / groups, kernel, kernel] and a bias [out].
struct ConvolutionShape {
  std::int64_t batch, in, out, height, width;
  std::int64_t kernel = 3, stride = 1, padding = 1, dilation = 1, groups = 1;

  std::int64_t out_height() const { return reach(height); }
  std::int64_t out_width() const { return reach(width); }

 private:
  std::int64_t reach(std::int64_t size) const {
    return (size + 2 * padding - dilation * (kernel - 1) - 1) / stride + 1;
  }
};

/// Operands are image, weights and bias.
ExpectedResults expect_convolution(const ConvolutionShape& shape, const std::vector<Numbers>& operands,
                                   const Numbers& cotangent);

/// The transposed convolution [N, out, h, w] to [N, in, H, W] with the same weights, and a bias [in].
ExpectedResults expect_transposed(const ConvolutionShape& shape, const std::vector<Numbers>& operands,
                                  const Numbers& cotangent);

/// x [outer, channels, inner] made to have mean 0 and variance 1, times weights [channels] plus bias [channels].
/// Statistics are each channel's over outer and inner (`by_channel`, as in batch normalisation while training), or each
/// row's over channels and inner (as in layer normalisation).
struct NormalisationShape {
  std::int64_t outer, channels, inner;
  bool by_channel;
  double epsilon = 1e-5;
};
ExpectedResults expect_normalisation(const NormalisationShape& shape, const std::vector<Numbers>& operands,
                                     const Numbers& cotangent);

/// softmax(q k^T / sqrt(width)) v, of q [heads, queries, width] and k, v [heads, keys, width].
struct AttentionShape {
  std::int64_t heads, queries, keys, width;
};
ExpectedResults expect_attention(const AttentionShape& shape, const std::vector<Numbers>& operands,
                                 const Numbers& cotangent);

}  // namespace osteon::engine
