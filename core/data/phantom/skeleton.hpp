// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "data/phantom/patient.hpp"

namespace osteon::data::phantom {

/// One bone where it lies in the picture.
struct PosedBone {
  const AtlasBone* atlas = nullptr;
  Outline local;         ///< contour in atlas units about the centre, unrotated, with this person's shape
  cv::Matx33d to_image;  ///< local to pixels
  Outline outline;       ///< contour in pixels (centres of pixels at integers), may leave the image
  /// Half width at 64 steps of local y, from the lowest y of the contour to its highest, atlas units.
  std::vector<float> half_width;
  cv::Rect2d local_box;
  /// Growth plate: how open (0 to 1), and at which local y.
  struct GrowthPlate {
    double openness;
    double y;
  };
  std::optional<GrowthPlate> plate;
};

/// The bones of one hand in one picture, and the lines that soft tissue follows.
struct Skeleton {
  std::vector<PosedBone> bones;  ///< all 29, in class order
  /// Per ray, in pixels: base of the metacarpal, its head, the joints, the tip of the last bone.
  std::array<std::vector<cv::Point2d>, kRays> rays;
  std::array<cv::Point2d, 3> forearm;  ///< wrist joint, middle of the forearm, far below; pixels
  double unit = 1;                     ///< pixels per atlas unit
  bool right = true;
};

/// Poses the atlas for one picture of `size` x `size` pixels.
Skeleton pose_skeleton(const PhantomOptions& options, const Patient& person, int patient, bool right);

}  // namespace osteon::data::phantom
