// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include <osteon/sdk/loss.hpp>

/// What bce.cpp computes in one pass on the CPU and bce_expression.hpp by LibTorch elsewhere.
namespace osteon::losses {

inline constexpr std::uint32_t kBceUnderstands =
    OSTEON_LOSS_PIXEL_WEIGHT | OSTEON_LOSS_CLASS_VALID | OSTEON_LOSS_SOFT_TARGET;

struct BceParams {
  std::vector<double> pos_weight;
  std::vector<double> class_weight;
  double label_smoothing = 0;

  static void schema(sdk::Schema<BceParams>& s) {
    s.add("pos_weight", &BceParams::pos_weight, "factor on the loss where a class is set: one per class, or none for 1")
        .at_least(0);
    s.add("class_weight", &BceParams::class_weight, "weight of each class in the mean: one per class, or none for 1")
        .at_least(0);
    s.add("label_smoothing", &BceParams::label_smoothing, "how far targets move from 0 and 1 towards 0.5")
        .between(0, 1);
  }
};

}  // namespace osteon::losses
