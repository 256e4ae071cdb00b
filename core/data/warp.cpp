// SPDX-License-Identifier: Apache-2.0
#include "data/warp.hpp"

#include <algorithm>
#include <cmath>

#include <opencv2/imgproc.hpp>

#include "data/label_ops.hpp"

namespace osteon::data {
namespace {

constexpr int kBand = 64;  // rows whose points are traced at once

// gfedcb|abcdefgh|gfedcba
float fold(float value, int size) {
  if (value >= 0 && value <= static_cast<float>(size - 1)) return value;
  if (size == 1) return 0;
  const float period = static_cast<float>(2 * (size - 1));
  float folded = std::fmod(value, period);
  if (folded < 0) folded += period;
  return folded > static_cast<float>(size - 1) ? period - folded : folded;
}

/// The pixel whose area holds `value`. A plugin's NaN becomes 0, which no conversion to int would promise.
int nearest(float value, int size) {
  return static_cast<int>(std::min(std::max(0.0f, value + 0.5f), static_cast<float>(size - 1)));
}

void apply_matrix(const double (&m)[6], std::size_t count, float* xy) {
  for (std::size_t i = 0; i < count; ++i) {
    const double x = xy[2 * i], y = xy[2 * i + 1];
    xy[2 * i] = static_cast<float>(m[0] * x + m[1] * y + m[2]);
    xy[2 * i + 1] = static_cast<float>(m[3] * x + m[4] * y + m[5]);
  }
}

}  // namespace

void WarpChain::add(const plugin::Augmentation::Warp* warp) {
  const cv::Size output(static_cast<int>(warp->get().width), static_cast<int>(warp->get().height));
  stages_.push_back({warp, output_, output});
  output_ = output;
}

void WarpChain::clear(cv::Size input) {
  stages_.clear();
  input_ = output_ = input;
}

void WarpChain::trace(int first, int count, float* xy, std::vector<std::int16_t>& outside) const {
  const std::size_t points = static_cast<std::size_t>(count) * static_cast<std::size_t>(output_.width);
  for (int y = 0; y < count; ++y)
    for (int x = 0; x < output_.width; ++x) {
      float* point = xy + 2 * (static_cast<std::size_t>(y) * static_cast<std::size_t>(output_.width) +
                               static_cast<std::size_t>(x));
      point[0] = static_cast<float>(x);
      point[1] = static_cast<float>(first + y);
    }
  outside.assign(points, -1);
  for (std::size_t s = stages_.size(); s-- > 0;) {
    const osteon_warp& warp = stages_[s].warp->get();
    if (warp.kind == OSTEON_WARP_FREE)
      stages_[s].warp->map_points(points, xy);
    else if (warp.kind != OSTEON_WARP_IDENTITY)
      apply_matrix(warp.matrix, points, xy);
    const cv::Size size = stages_[s].input;
    const bool constant = warp.border == OSTEON_BORDER_CONSTANT;
    for (std::size_t i = 0; i < points; ++i) {
      float &x = xy[2 * i], &y = xy[2 * i + 1];
      if (!constant) {
        x = fold(x, size.width);
        y = fold(y, size.height);
      } else if (!(x >= -0.5f && x <= static_cast<float>(size.width) - 0.5f && y >= -0.5f &&
                   y <= static_cast<float>(size.height) - 0.5f)) {
        // What was outside of a later stage stays so, with that stage's fill. It travels on as an inner point, for
        // plugins are asked about points of their output only.
        if (outside[i] < 0) outside[i] = static_cast<std::int16_t>(s);
        x = y = 0;
      }
    }
  }
}

cv::Mat WarpChain::resample(const cv::Mat& image, double maximum) const {
  if (empty()) return image;
  bool exact = true, may_leave = false;
  for (const Stage& stage : stages_) {
    exact = exact && stage.warp->get().kind <= OSTEON_WARP_PERMUTATION;
    may_leave = may_leave || stage.warp->get().border == OSTEON_BORDER_CONSTANT;
  }
  cv::Mat result(output_, image.type());
  std::vector<std::int16_t> outside;
  for (int first = 0; first < output_.height; first += kBand) {
    const int count = std::min(kBand, output_.height - first);
    cv::Mat map(count, output_.width, CV_32FC2);
    trace(first, count, map.ptr<float>(), outside);
    cv::Mat band = result.rowRange(first, first + count);
    cv::remap(image, band, map, cv::noArray(), exact ? cv::INTER_NEAREST : cv::INTER_LINEAR, cv::BORDER_REPLICATE);
    if (!may_leave) continue;
    const cv::Mat left(count, output_.width, CV_16S, outside.data());
    for (std::size_t i = 0; i < stages_.size(); ++i)
      if (stages_[i].warp->get().border == OSTEON_BORDER_CONSTANT)
        band.setTo(cv::Scalar::all(stages_[i].warp->get().image_fill * maximum), left == static_cast<int>(i));
  }
  return result;
}

Labels WarpChain::resample(const Labels& labels) const {
  if (empty()) return labels;
  bool ignores = false;
  for (const Stage& stage : stages_) ignores = ignores || (stage.warp->get().flags & OSTEON_WARP_IGNORE_OUTSIDE) != 0;
  Labels result(labels.classes(), output_);
  if (!labels.valid().empty() || ignores) result.valid() = cv::Mat(output_, CV_8U, cv::Scalar(1));
  std::vector<float> xy(static_cast<std::size_t>(kBand) * static_cast<std::size_t>(output_.width) * 2);
  std::vector<std::int16_t> outside;
  for (int first = 0; first < output_.height; first += kBand) {
    const int count = std::min(kBand, output_.height - first);
    trace(first, count, xy.data(), outside);
    for (int y = 0; y < count; ++y)
      for (int x = 0; x < output_.width; ++x) {
        const std::size_t i =
            static_cast<std::size_t>(y) * static_cast<std::size_t>(output_.width) + static_cast<std::size_t>(x);
        if (outside[i] >= 0) {
          if ((stages_[static_cast<std::size_t>(outside[i])].warp->get().flags & OSTEON_WARP_IGNORE_OUTSIDE) != 0)
            result.valid().at<std::uint8_t>(first + y, x) = 0;
          continue;
        }
        const int source_x = nearest(xy[2 * i], input_.width), source_y = nearest(xy[2 * i + 1], input_.height);
        for (std::size_t p = 0; p < result.planes().size(); ++p)
          result.planes()[p].at<std::int32_t>(first + y, x) = labels.planes()[p].at<std::int32_t>(source_y, source_x);
        if (!labels.valid().empty())
          result.valid().at<std::uint8_t>(first + y, x) = labels.valid().at<std::uint8_t>(source_y, source_x);
      }
  }
  result.set_class_valid(labels.class_valid());
  for (const Stage& stage : stages_)
    if (const std::int32_t* source = stage.warp->get().class_source)
      result = select_classes(result, std::vector<int>(source, source + labels.classes()));
  return result;
}

std::optional<ClassBoxes> WarpChain::boxes(const ClassBoxes& of_input) const {
  ClassBoxes regions = of_input;
  for (auto& region : regions)
    if (region) region = points_around(*region);
  for (const Stage& stage : stages_) {
    const osteon_warp& warp = stage.warp->get();
    if (warp.kind == OSTEON_WARP_FREE) return std::nullopt;
    ClassBoxes next(regions.size());
    for (std::size_t c = 0; c < next.size(); ++c) {
      const auto& from = regions[warp.class_source != nullptr ? static_cast<std::size_t>(warp.class_source[c]) : c];
      if (from) next[c] = region_behind(warp, stage.input, *from);
    }
    regions = std::move(next);
  }
  for (auto& region : regions)
    if (region) region = pixels_in(*region, output_);
  return regions;
}

}  // namespace osteon::data
