// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include <opencv2/core.hpp>

#include "data/labels.hpp"

// Functions on bit-plane labels. They move whole words, so they cost the same for 1 and for 32 classes, and they never
// pass through a float, so every bit pattern survives. All results own their memory unless said otherwise, and carry
// the valid plane along where there is one, and which classes are known.
namespace osteon::data {

/// A deep copy; copying a `Labels` shares its planes.
Labels clone(const Labels& labels);

/// Same classes, size, bits, valid pixels and known classes. An empty valid plane equals one that is all 1.
bool equal(const Labels& a, const Labels& b);

/// The part inside `region`, which must lie in the image.
Labels crop(const Labels& labels, const cv::Rect& region);

/// Nearest neighbour with pixel areas aligned: pixel x comes from floor((x + 0.5) * old / new), in integers. This is
/// where cv::resize INTER_LINEAR, which aligns areas too, puts the image; cv::INTER_NEAREST would be half a pixel off.
Labels resize_nearest(const Labels& labels, cv::Size size);

/// Class c of the result is class `from[c]` of `labels`; -1 leaves it empty. The result has `from.size()` classes.
Labels select_classes(const Labels& labels, const std::vector<int>& from);

/// Sets class `c` where `mask` (CV_8UC1) is not zero, with the mask's upper left corner at `origin`; the mask must lie
/// inside the image.
void add_region(Labels& labels, int c, const cv::Mat& mask, cv::Point origin);

/// From class indices (CV_8UC1 or CV_16UC1). Pixels of value `ignore_index` become invalid with no class; -1: there is
/// none. Any other value that is no class throws Error(kData) naming value and pixel.
Labels from_index(const cv::Mat& index, int classes, int ignore_index);
/// To class indices, CV_8UC1 if all values fit in 8 bits, else CV_16UC1. Invalid pixels become `ignore_index` where
/// it is not negative. A valid pixel without exactly one class throws Error(kData) naming the pixel.
cv::Mat to_index(const Labels& labels, int ignore_index);

/// Throws Error(kData), naming the first such pixel, unless every valid pixel has exactly one class.
void check_one_class_per_pixel(const Labels& labels);

/// Makes pixels without any class invalid: where a class is unknown, they may be of it.
void leave_out_unlabelled(Labels& labels);

}  // namespace osteon::data
