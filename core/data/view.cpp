// SPDX-License-Identifier: Apache-2.0
#include "data/view.hpp"

#include <opencv2/imgproc.hpp>

namespace osteon::data {

cv::Mat resize_image(const cv::Mat& pixels, cv::Size size) {
  if (pixels.size() == size) return pixels;
  const bool shrinks = pixels.cols > 2 * size.width || pixels.rows > 2 * size.height;
  cv::Mat resized;
  cv::resize(pixels, resized, size, 0, 0, shrinks ? cv::INTER_AREA : cv::INTER_LINEAR);
  return resized;
}

}  // namespace osteon::data
