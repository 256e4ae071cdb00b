// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include <opencv2/core.hpp>

// Masks of one class: CV_8UC1, 0 and 1. A part is a maximal set of pixels that touch each other; a hole is one of
// pixels that are not set and does not reach the mask's edge. `step` is called between parts of the work, and may
// throw; the mask is then as it was.
namespace osteon::components {

/// Drops parts: those of fewer than `min_area` pixels, and all but the `most` largest. Of parts of one size the one
/// that comes first by rows counts as the larger.
/// @param connectivity  4: pixels touch by their sides; 8: by their corners too
/// @param most          0: any number
void keep_parts(cv::Mat& mask, int connectivity, std::int64_t min_area, std::int64_t most,
                const std::function<void()>& step);

/// Sets the pixels of holes of at most `largest` pixels. Where parts touch by their corners, holes do not, and the
/// other way round: a line that closes for the one is closed for the other.
/// @param connectivity  of the parts
/// @param largest       0: any size
void fill_holes(cv::Mat& mask, int connectivity, std::int64_t largest, const std::function<void()>& step);

/// The smallest rectangle around each of the first `classes` bits of a plane of words; an empty one where none is set.
std::vector<cv::Rect> boxes_of(const cv::Mat& words, int classes);

/// One bit of a plane of words, and back: other bits stay.
cv::Mat mask_of(const cv::Mat& words, int bit);
void set_bit(cv::Mat words, int bit, const cv::Mat& mask);

}  // namespace osteon::components
