// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "data/image.hpp"

namespace osteon::exports {

/// The intensities that a screen shows as black and as white, in the image's own units.
struct Window {
  double low = 0, high = 255;
};

/// Of 8 bits all of them; of 16 bits, of which a detector uses few, those between 0.5 and 99.5 percent of the pixels.
Window window_of(const data::Image& image);

/// CV_8U with as many channels. Of a CV_8U image in its full window: the very bytes.
cv::Mat to_bytes(const cv::Mat& pixels, Window window);

}  // namespace osteon::exports
