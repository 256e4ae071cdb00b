// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "data/labels.hpp"

namespace osteon::metrics {

/// Areas of one class in one image, in valid pixels: what Dice and IoU are made of.
struct ClassCounts {
  std::int64_t intersection = 0;
  std::int64_t predicted = 0;
  std::int64_t truth = 0;
  bool known = true;  ///< false: nobody knows of the class in this image, and the areas mean nothing
};

/// Areas of every class in one pass over the planes. Pixels that are not valid in `truth` count nowhere, and where none
/// is valid no class is known; the prediction's own valid plane and known classes are not looked at. Throws
/// Error(kData) where sizes or numbers of classes differ. [any-thread]
std::vector<ClassCounts> count_confusion(const data::Labels& prediction, const data::Labels& truth);

/// (2 I + 1e-4) / (P + T + 1e-4), as the competition defines it; 1 where both are empty.
double dice(const ClassCounts& counts) noexcept;
/// I / (P + T - I); 1 where both are empty.
double iou(const ClassCounts& counts) noexcept;

/// 2 I / (P + T) and I / (P + T - I), unsmoothed, of areas that were added up over a whole set; NaN where both are
/// empty: then there was nothing to find and nothing wrong.
double pooled_dice(const ClassCounts& sums) noexcept;
double pooled_iou(const ClassCounts& sums) noexcept;

}  // namespace osteon::metrics
