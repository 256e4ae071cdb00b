// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include <osteon/sdk/loss.hpp>

/// What cross_entropy.cpp computes by runs of pixels on the CPU and cross_entropy_expression.hpp by LibTorch elsewhere.
namespace osteon::losses {

inline constexpr std::uint32_t kCrossEntropyUnderstands =
    OSTEON_LOSS_PIXEL_WEIGHT | OSTEON_LOSS_CLASS_VALID | OSTEON_LOSS_SOFT_TARGET;

struct CrossEntropyParams {
  std::vector<double> class_weight;
  double label_smoothing = 0;

  static void schema(sdk::Schema<CrossEntropyParams>& s) {
    s.add("class_weight", &CrossEntropyParams::class_weight,
          "weight of the pixels of each class: one per class, or none for 1")
        .at_least(0);
    s.add("label_smoothing", &CrossEntropyParams::label_smoothing,
          "share of the target that is spread over all classes")
        .between(0, 1);
  }
};

}  // namespace osteon::losses
