// SPDX-License-Identifier: Apache-2.0
#include "data/phantom/canvas.hpp"

#include <algorithm>
#include <cmath>

#include <opencv2/imgproc.hpp>

namespace osteon::data::phantom {
namespace {

constexpr int kFineSize = 1024;  ///< small images are drawn on a grid of this size, large ones on twice theirs

int fineness(cv::Size size) { return std::max(2, (kFineSize + size.width - 1) / size.width); }

}  // namespace

Window window_for(const Outline& outline, cv::Size size, double margin) {
  const cv::Rect2d box = box_of(outline);
  const int m = static_cast<int>(std::ceil(margin)) + 1;
  const cv::Rect whole(-m, -m, size.width + 2 * m, size.height + 2 * m);
  const cv::Point low(static_cast<int>(std::floor(box.x)) - 2, static_cast<int>(std::floor(box.y)) - 2);
  const cv::Point high(static_cast<int>(std::ceil(box.x + box.width)) + 3,
                       static_cast<int>(std::ceil(box.y + box.height)) + 3);
  return {fineness(size), cv::Rect(low, high) & whole};
}

cv::Mat fine_mask(const Window& window, const Outline& outline) {
  cv::Mat mask(window.fine_size(), CV_8UC1, cv::Scalar(0));
  fill(mask, transformed(outline, window.to_fine()), window.fine_origin());
  return mask;
}

void add_fine(cv::Mat& image, const Window& window, const cv::Mat& fine) {
  cv::Mat coarse;
  cv::resize(fine, coarse, window.area.size(), 0, 0, cv::INTER_AREA);
  const cv::Rect inside = window.area & cv::Rect({0, 0}, image.size());
  if (inside.empty()) return;
  cv::Mat target = image(inside);
  target += coarse(inside - window.area.tl());
}

void add_area(cv::Mat& image, const Outline& outline, float amount) {
  Window window = window_for(outline, image.size(), 0);
  if (window.area.empty()) return;
  window.fine = std::max(window.fine, 3);
  cv::Mat fine;
  fine_mask(window, outline).convertTo(fine, CV_32F, amount / 255.0);
  add_fine(image, window, fine);
}

}  // namespace osteon::data::phantom
