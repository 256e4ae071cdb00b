// SPDX-License-Identifier: Apache-2.0
#include "exports/display.hpp"

#include <algorithm>
#include <cstdint>
#include <vector>

namespace osteon::exports {
namespace {

/// Brightness below which `share` of the pixels of a CV_16U image lie.
double percentile(const cv::Mat& pixels, double share) {
  std::vector<std::int64_t> counts(65536);
  const int values = pixels.cols * pixels.channels();
  for (int y = 0; y < pixels.rows; ++y) {
    const std::uint16_t* row = pixels.ptr<std::uint16_t>(y);
    for (int x = 0; x < values; ++x) ++counts[row[x]];
  }
  const double wanted = share * static_cast<double>(values) * pixels.rows;
  std::int64_t below = 0;
  for (std::size_t value = 0; value < counts.size(); ++value) {
    below += counts[value];
    if (static_cast<double>(below) >= wanted) return static_cast<double>(value);
  }
  return 65535.0;
}

}  // namespace

Window window_of(const data::Image& image) {
  if (image.pixels.depth() != CV_16U) return {0, image.maximum};
  const double low = percentile(image.pixels, 0.005);
  return {low, std::max(low + 1.0, percentile(image.pixels, 0.995))};
}

cv::Mat to_bytes(const cv::Mat& pixels, Window window) {
  const double width = window.high - window.low;
  if (pixels.depth() == CV_8U && window.low == 0 && window.high == 255) return pixels;
  cv::Mat bytes;
  pixels.convertTo(bytes, CV_8U, 255.0 / width, -window.low * 255.0 / width);
  return bytes;
}

}  // namespace osteon::exports
