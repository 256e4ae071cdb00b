// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "data/phantom/skeleton.hpp"

namespace osteon::data::phantom {

/// Adds to `attenuation` (CV_32FC1, natural logarithm of the beam's weakening) what each bone adds over soft tissue: a
/// cortex that is thick in the shafts, marrow with trabeculae, growth plates, and the unlabelled sesamoid bones.
/// Where bones overlap, attenuations add, as along a real beam.
void draw_bones(cv::Mat& attenuation, const Skeleton& skeleton, const Patient& person, std::uint64_t texture_seed);

/// Contour of each bone's label: the pixels whose centres lie in the bone and in the image, so that cv::fillPoly of the
/// contour gives them back. If the image's edge cuts a bone into parts, the largest part is the label.
std::vector<std::vector<cv::Point>> label_outlines(const Skeleton& skeleton, cv::Size size);

}  // namespace osteon::data::phantom
