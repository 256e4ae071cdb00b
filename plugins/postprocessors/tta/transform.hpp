// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <osteon/sdk/predictor.hpp>

namespace osteon::tta {

/// One of the eight symmetries of a rectangle's grid: first the axes are exchanged, then each may be reversed.
struct Transform {
  bool swaps = false;    ///< height and width change places
  bool flips_x = false;  ///< of the copy
  bool flips_y = false;

  /// Whether left and right change places, as in a mirror.
  bool mirrors() const { return swaps != (flips_x != flips_y); }
};

/// "identity", "hflip", "vflip", "rot90" (counter-clockwise), "rot180", "rot270", "transpose".
const std::vector<std::string>& transform_names();
Transform transform_of(const std::string& name);

/// A copy of an image, its place in the root image kept.
sdk::Image transformed(const sdk::Call& call, const Transform& transform, const osteon_image& image);

/// Adds `weight` times a plane that was predicted on a copy to `sum` (height x width), turned back.
void add_back(const Transform& transform, const float* plane, std::int64_t height, std::int64_t width, float weight,
              float* sum);

}  // namespace osteon::tta
