// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <opencv2/core.hpp>

namespace osteon::data {

/// The resize of the view: what turns a file's pixels into what the model sees, the same in training and in prediction.
/// Any depth, H x W x C.
///
/// Pixel areas are aligned (half-pixel centres, as cv::resize and PyTorch's align_corners = false do it). Where either
/// axis shrinks by more than two, pixels are averaged over areas, for bilinear interpolation would skip some; otherwise
/// bilinear.
cv::Mat resize_image(const cv::Mat& pixels, cv::Size size);

}  // namespace osteon::data
