// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <opencv2/core.hpp>

#include <osteon/sdk/augmentation.hpp>

namespace osteon::sdk {

/// A cv::Mat header over an image's memory, H x W x C: writing to it writes to the image. Must not outlive it.
inline cv::Mat as_mat(const Pixels& pixels) {
  const int channels = static_cast<int>(pixels.channels());
  const int height = static_cast<int>(pixels.height()), width = static_cast<int>(pixels.width());
  const int depth = pixels.is(dtype_of<std::uint8_t>())    ? CV_8U
                    : pixels.is(dtype_of<std::uint16_t>()) ? CV_16U
                    : pixels.is(dtype_of<float>())         ? CV_32F
                                                           : -1;
  if (depth < 0) throw Unsupported("OpenCV has no matrix of " + to_string(pixels.view().dtype));
  return cv::Mat(height, width, CV_MAKETYPE(depth, channels), pixels.view().data);
}

}  // namespace osteon::sdk
