// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <vector>

#include <osteon/sdk/augmentation.hpp>

#include "data/labels.hpp"

namespace osteon::data {

/// A box around each class, in pixel centres, both ends inside; none for a class that is not there.
using ClassBoxes = std::vector<std::optional<sdk::Box>>;

/// The exact boxes.
ClassBoxes boxes_of(const Labels& labels);

/// Where nearest neighbours of a region of a warp's input come to lie in its output: a box that may be larger than it
/// need be, never smaller; none when nothing of it is seen. Both are of points, not of pixels. Not for free warps.
std::optional<sdk::Box> region_behind(const osteon_warp& warp, cv::Size input, const sdk::Box& region);

/// Between boxes of pixels and the points that are nearest to them, a little more than half a pixel beyond, because
/// points are float32; and the pixels of an image whose centres lie in a region.
sdk::Box points_around(const sdk::Box& pixels);
std::optional<sdk::Box> pixels_in(const sdk::Box& region, cv::Size size);

/// [classes, 4] as the ABI has it: left, top, right, bottom, or NaN.
std::vector<double> flattened(const ClassBoxes& boxes);

}  // namespace osteon::data
