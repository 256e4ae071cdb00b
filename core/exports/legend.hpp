// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include <opencv2/core.hpp>

namespace osteon::exports {

/// A line of a legend.
struct LegendEntry {
  int number = 0;  ///< as on the picture
  std::string text;
  cv::Vec3b color;
  bool present = true;  ///< dimmed, with a hollow swatch, where not
};

/// A panel of exactly `height` pixels, 200 or more, as wide as its columns need. CV_8UC3, RGB.
cv::Mat render_legend(const std::vector<LegendEntry>& entries, int height);

/// Text with a dark rim, centred on `center`, readable on any picture. `height` of capital letters in pixels.
void draw_centered(cv::Mat& picture, const std::string& text, cv::Point center, double height, cv::Vec3b color);

/// The text with everything that the built-in font cannot show as '?', one for each code point.
std::string to_ascii(const std::string& utf8);

}  // namespace osteon::exports
