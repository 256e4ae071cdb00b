// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "data/phantom/random.hpp"
#include "data/phantom/skeleton.hpp"

namespace osteon::data::phantom {

/// Adds a metal ring around the proximal phalanx of the person's ring finger, if it is worn on this hand.
void add_ring(cv::Mat& attenuation, const Skeleton& skeleton, const Patient& person, Random& random);

/// Darkens what the collimator shut off: a slightly turned rectangle around all bones, open at the lower edge where the
/// forearm leaves. `image` is CV_32FC1 in 0..1.
void collimate(cv::Mat& image, const Skeleton& skeleton, Random& random);

/// Burns the side marker ("L" or "R", sometimes with a frame or a second line) into a corner away from the bones.
void burn_marker(cv::Mat& image, const Skeleton& skeleton, Random& random);

}  // namespace osteon::data::phantom
