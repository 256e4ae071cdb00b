// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>

#include "data/phantom/outline.hpp"

namespace osteon::data::phantom {

// Lengths are "atlas units": pixels of a 2048 x 2048 image of a mean right hand (thumb left), about 0.12 mm. The origin
// is the upper left corner, y grows downwards, towards the forearm.
constexpr double kAtlasSize = 2048;
constexpr int kBones = 29;
constexpr int kCarpals = 19;  ///< index of the first carpal bone
constexpr int kRadius = 27;
constexpr int kUlna = 28;
constexpr int kRays = 5;  ///< thumb to little finger

enum class Family { kDistal, kMiddle, kProximal, kMetacarpal, kThumbMetacarpal, kCarpal, kForearm };

/// One bone of the mean hand, in the mean pose.
struct AtlasBone {
  const char* name;
  Family family;
  double area;         ///< mean area, square units (of the part inside the image, for the forearm)
  cv::Point2d centre;  ///< mean centre of area
  cv::Size2d box;      ///< mean width and height of the upright bounding box
  double lean;         ///< long bones of the hand: degrees from upright, clockwise, base to head; else 0
  /// Contour about `centre`, unrotated: for a long bone the head is at negative y. Filled in by `atlas()`.
  Outline outline;
  double length = 0;  ///< base to head of a long bone of the hand
};

const std::array<AtlasBone, kBones>& atlas();

/// Bones of ray `ray` (0 thumb .. 4 little finger), metacarpal first, tip last; the thumb has three.
const std::vector<int>& ray_bones(int ray);

}  // namespace osteon::data::phantom
