// SPDX-License-Identifier: Apache-2.0
#include "metrics/label_shape.hpp"

#include <algorithm>
#include <cmath>

#include <opencv2/imgproc.hpp>

#include "data/class_boxes.hpp"

namespace osteon::metrics {
namespace {

constexpr double kSpeck = 0.1;  // of a class's pixels

cv::Rect pixels_of(const sdk::Box& box) {
  const auto left = static_cast<int>(std::lround(box.left)), top = static_cast<int>(std::lround(box.top));
  return {left, top, static_cast<int>(std::lround(box.right)) - left + 1,
          static_cast<int>(std::lround(box.bottom)) - top + 1};
}

// A class covers a hundredth of an image: no more than its box is looked at.
cv::Mat mask_of(const data::Labels& labels, int c, const cv::Rect& box) {
  const cv::Mat words = labels.planes()[static_cast<std::size_t>(c / 32)](box);
  cv::Mat mask(box.size(), CV_8UC1);
  for (int y = 0; y < box.height; ++y) {
    const auto* row = words.ptr<std::uint32_t>(y);
    for (int x = 0; x < box.width; ++x) mask.at<std::uint8_t>(y, x) = row[x] >> (c % 32) & 1u ? 255 : 0;
  }
  return mask;
}

ClassShape shape_of_mask(const cv::Mat& mask, cv::Size image) {
  cv::Mat labels, stats, centroids;
  const int parts = cv::connectedComponentsWithStats(mask, labels, stats, centroids, 8, CV_32S);
  const double pixels = cv::countNonZero(mask);
  ClassShape shape;
  shape.area = pixels / static_cast<double>(image.area());
  cv::Rect around;
  for (int part = 1; part < parts; ++part) {
    const int* s = stats.ptr<int>(part);
    if (s[cv::CC_STAT_AREA] < kSpeck * pixels) continue;
    ++shape.parts;
    around |= cv::Rect(s[cv::CC_STAT_LEFT], s[cv::CC_STAT_TOP], s[cv::CC_STAT_WIDTH], s[cv::CC_STAT_HEIGHT]);
  }
  shape.extent = static_cast<double>(std::max(around.width, around.height)) / std::max(image.width, image.height);
  return shape;
}

/// How many pixels have a class, and how many of these have two or more.
struct Covered {
  double once = 0, twice = 0;
};
Covered covered_by(const data::Labels& labels) {
  Covered covered;
  for (int y = 0; y < labels.size().height; ++y)
    for (int x = 0; x < labels.size().width; ++x) {
      std::uint32_t any = 0, again = 0;
      for (const cv::Mat& plane : labels.planes()) {
        const std::uint32_t word = plane.ptr<std::uint32_t>(y)[x];
        again |= any != 0 ? word : word & (word - 1);  // the lowest bit cleared
        any |= word;
      }
      covered.once += any != 0 ? 1 : 0;
      covered.twice += again != 0 ? 1 : 0;
    }
  return covered;
}

}  // namespace

LabelShape shape_of(const data::Labels& labels) {
  LabelShape shape;
  const data::ClassBoxes boxes = data::boxes_of(labels);
  for (int c = 0; c < labels.classes(); ++c) {
    const auto& box = boxes[static_cast<std::size_t>(c)];
    if (labels.knows(c) && box)
      shape.classes.push_back(shape_of_mask(mask_of(labels, c, pixels_of(*box)), labels.size()));
    else
      shape.classes.push_back({labels.knows(c), 0, 0, 0});
  }
  const Covered covered = covered_by(labels);
  shape.foreground = covered.once / static_cast<double>(labels.size().area());
  shape.overlap = covered.once > 0 ? covered.twice / covered.once : 0;
  return shape;
}

}  // namespace osteon::metrics
