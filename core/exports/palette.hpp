// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include <opencv2/core.hpp>

namespace osteon::exports {

/// `count` colours (R, G, B) that stand out from grey pictures and from each other, also for readers who see no
/// difference between red and green: each is the candidate that is farthest, in CIELAB, from those before it, the least
/// of the distances in full colour vision and in simulated protanopia and deuteranopia counting. Class c has the same
/// colour however many classes there are, and in every run. [any-thread]
std::vector<cv::Vec3b> class_colors(int count);

}  // namespace osteon::exports
