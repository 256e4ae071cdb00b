// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include <osteon/sdk/random.hpp>

#include "dropout/holes.hpp"

namespace osteon::augmentations {

/// How a grid of holes lies in an image.
struct Grid {
  std::int64_t columns = 0, rows = 0;
  double ratio = 0.5;         ///< of a hole's side to its cell's
  bool random_offset = true;  ///< each hole anywhere in its cell; false: all by the shift
  std::int64_t shift_x = 0, shift_y = 0;
};

/// One hole in each cell. Sides of cells differ by 1 px at most, and which ones are longer is drawn. A hole's side is
/// its cell's times the ratio, cut off to whole pixels, and leaves at least 1 px of the cell; it lies within the image.
std::vector<Hole> holes_of(const Grid& grid, std::int64_t height, std::int64_t width, sdk::Random& random);

}  // namespace osteon::augmentations
