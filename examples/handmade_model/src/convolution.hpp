// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include <osteon/sdk/call.hpp>
#include <osteon/sdk/random.hpp>

#include "parameters.hpp"
#include "planes.hpp"

/// A 3 x 3 convolution with zeros around the image:
///
///     y[o](p) = bias[o] + sum over c and t of weight[o, c, t] x[c](p + t),   t = (-1, -1) ... (1, 1)
class Convolution {
 public:
  enum class Bias { kNone, kOne };
  /// Weights are normal with deviation sqrt(2 / inputs of an output): He et al., arXiv:1502.01852.
  Convolution(Parameters& parameters, const std::string& name, std::int64_t in, std::int64_t out, Bias bias,
              osteon::sdk::Random& random);

  Planes forward(const osteon::sdk::Call& call, const Planes& x) const;
  /// dL/dx from dL/dy: a convolution too, with the weights transposed and turned by half a turn.
  Planes input_gradient(const osteon::sdk::Call& call, const Planes& grad_y) const;
  /// Adds dL/dweight and dL/dbias, of those that are trained: products of dL/dy with x shifted by t.
  void add_gradients(const osteon::sdk::Call& call, const Planes& x, const Planes& grad_y) const;

  Parameter& weight;  ///< [out, in, 3, 3]
  Parameter* bias;    ///< [out], or null
};
