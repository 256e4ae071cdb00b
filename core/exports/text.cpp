// SPDX-License-Identifier: Apache-2.0
#include "exports/text.hpp"

#include <algorithm>
#include <sstream>

#include <opencv2/imgproc.hpp>

namespace osteon::exports {
namespace {

constexpr int kWritingFont = cv::FONT_HERSHEY_SIMPLEX;

}  // namespace

int stroke(double scale) { return std::max(1, cvRound(scale * 1.6)); }

int width_of(const std::string& text, double scale) {
  return cv::getTextSize(text, kWritingFont, scale, stroke(scale), nullptr).width;
}

void write(cv::Mat& picture, const std::string& text, cv::Point baseline, double scale, const cv::Scalar& ink) {
  cv::putText(picture, text, baseline, kWritingFont, scale, ink, stroke(scale), cv::LINE_AA);
}

std::vector<std::string> wrapped(const std::string& text, double scale, int width) {
  std::vector<std::string> lines(1);
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    const std::string longer = lines.back().empty() ? word : lines.back() + " " + word;
    if (width_of(longer, scale) <= width) {
      lines.back() = longer;
      continue;
    }
    if (!lines.back().empty()) lines.emplace_back();
    for (const char c : word) {
      if (!lines.back().empty() && width_of(lines.back() + c, scale) > width) lines.emplace_back();
      lines.back() += c;
    }
  }
  return lines;
}

}  // namespace osteon::exports
