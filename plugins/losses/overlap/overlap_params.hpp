// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include <osteon/sdk/loss.hpp>

namespace osteon::losses {

inline constexpr std::uint32_t kOverlapUnderstands =
    OSTEON_LOSS_PIXEL_WEIGHT | OSTEON_LOSS_CLASS_VALID | OSTEON_LOSS_SOFT_TARGET;

/// What a recipe may say of every loss that is a fraction of overlaps.
struct OverlapParams {
  double smooth = 1;
  bool per_image = true;
  bool ignore_empty = false;
  std::vector<double> class_weight;

  /// To the schema of a struct that is made of this one.
  template <class P>
  static void schema_of(sdk::Schema<P>& s) {
    s.add("smooth", static_cast<double P::*>(&OverlapParams::smooth), "added to numerator and denominator").at_least(0);
    s.add("per_image", static_cast<bool P::*>(&OverlapParams::per_image),
          "a loss for each image and class; false: for each class over the batch");
    s.add("ignore_empty", static_cast<bool P::*>(&OverlapParams::ignore_empty),
          "leave out classes that have no target pixel");
    s.add("class_weight", static_cast<std::vector<double> P::*>(&OverlapParams::class_weight),
          "weight of each class in the mean: one per class, or none for 1")
        .at_least(0);
  }
};

}  // namespace osteon::losses
