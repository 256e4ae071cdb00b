// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include <osteon/sdk/loss.hpp>

/// What lovasz.cpp computes on the CPU and lovasz_expression.hpp by LibTorch elsewhere.
namespace osteon::losses {

inline constexpr std::uint32_t kLovaszUnderstands = OSTEON_LOSS_PIXEL_WEIGHT | OSTEON_LOSS_CLASS_VALID;
inline constexpr const char* kLovaszInstead = "a pixel is in a set or it is not; use iou or dice";

struct LovaszParams {
  bool per_image = true;
  bool ignore_empty = false;
  std::vector<double> class_weight;

  static void schema(sdk::Schema<LovaszParams>& s) {
    s.add("per_image", &LovaszParams::per_image,
          "a loss for each image and class; false: for each class over the batch");
    s.add("ignore_empty", &LovaszParams::ignore_empty, "leave out classes that have no target pixel");
    s.add("class_weight", &LovaszParams::class_weight, "weight of each class in the mean: one per class, or none for 1")
        .at_least(0);
  }
};

}  // namespace osteon::losses
