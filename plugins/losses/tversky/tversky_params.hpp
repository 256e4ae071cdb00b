// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "overlap/overlap_params.hpp"

/// What tversky.cpp computes in two passes on the CPU and tversky_expression.hpp by LibTorch elsewhere.
namespace osteon::losses {

struct TverskyParams : OverlapParams {
  double alpha = 0.3;
  double beta = 0.7;
  double gamma = 1;

  static void schema(sdk::Schema<TverskyParams>& s) {
    s.add("alpha", &TverskyParams::alpha, "weight of what is found and is not there").between(0, 100);
    s.add("beta", &TverskyParams::beta, "weight of what is there and was missed").between(0, 100);
    s.add("gamma", &TverskyParams::gamma, "the loss is to the power of 1 / gamma; above 1: focal Tversky")
        .between(0.1, 10);
    schema_of(s);
  }
};

}  // namespace osteon::losses
