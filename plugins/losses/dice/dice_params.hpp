// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "overlap/overlap_params.hpp"

/// What dice.cpp computes in two passes on the CPU and dice_expression.hpp by LibTorch elsewhere.
namespace osteon::losses {

struct DiceParams : OverlapParams {
  bool squared = false;

  static void schema(sdk::Schema<DiceParams>& s) {
    schema_of(s);
    s.add("squared", &DiceParams::squared, "sum squares in the denominator");
  }
};

}  // namespace osteon::losses
