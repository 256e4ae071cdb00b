// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include <osteon/sdk/call.hpp>

#include "parameters.hpp"
#include "planes.hpp"

/// Instance normalization (Ulyanov et al., arXiv:1607.08022), then ReLU, per image and channel:
///
///     h = (x - mean x) / sqrt(var x + 1e-5)      y = max(0, gamma h + beta)
///
/// An image at a time has no running statistics: training and inference are the same, and images of a batch do not
/// depend on each other.
class Normalization {
 public:
  Normalization(Parameters& parameters, const std::string& name, std::int64_t channels);

  /// What backward needs of forward.
  struct Tape {
    Planes h;
    std::vector<float> inverse_deviation;  ///< [N, C]
  };

  /// With a tape h is kept there; without one y takes x's place.
  Planes forward(const osteon::sdk::Call& call, Planes x, Tape* tape) const;
  /// dL/dx from dL/dy, in its place. Adds dL/dgamma and dL/dbeta, of those that are trained. With s = dL/dy where y >
  /// 0:
  ///
  ///     dL/dx = gamma / sqrt(var x + 1e-5) (s - mean s - h mean(s h))
  Planes backward(const osteon::sdk::Call& call, const Tape& tape, Planes grad_y) const;

  Parameter& gamma;  ///< [C], ones
  Parameter& beta;   ///< [C], zeros
};
