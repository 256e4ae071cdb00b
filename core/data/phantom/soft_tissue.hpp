// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "data/phantom/skeleton.hpp"

namespace osteon::data::phantom {

/// Half width of a finger's soft tissue, atlas units, `along` a ray from the base of the metacarpal (0) to the tip (1).
double finger_radius(int ray, double along, double flesh);

/// Attenuation (CV_32FC1, `size` x `size`) of skin, fat and muscle around the skeleton: fingers, palm with the balls of
/// thumb and little finger, webs, wrist and forearm; creases of the skin.
cv::Mat soft_tissue(const Skeleton& skeleton, const Patient& person, int size, std::uint64_t seed);

}  // namespace osteon::data::phantom
