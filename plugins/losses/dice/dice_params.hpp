// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include <osteon/sdk/loss.hpp>

/// What dice.cpp computes in two passes on the CPU and dice_expression.hpp by LibTorch elsewhere.
namespace osteon::losses {

inline constexpr std::uint32_t kDiceUnderstands =
    OSTEON_LOSS_PIXEL_WEIGHT | OSTEON_LOSS_CLASS_VALID | OSTEON_LOSS_SOFT_TARGET;

struct DiceParams {
  double smooth = 1;
  bool squared = false;
  bool per_image = true;
  bool ignore_empty = false;

  static void schema(sdk::Schema<DiceParams>& s) {
    s.add("smooth", &DiceParams::smooth, "added to numerator and denominator").at_least(0);
    s.add("squared", &DiceParams::squared, "sum squares in the denominator");
    s.add("per_image", &DiceParams::per_image, "a Dice for each image and class; false: for each class over the batch");
    s.add("ignore_empty", &DiceParams::ignore_empty, "leave out classes that have no target pixel");
  }
};

}  // namespace osteon::losses
