// SPDX-License-Identifier: Apache-2.0
#include "data/intensity.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <opencv2/imgproc.hpp>

namespace osteon::data {
namespace {

constexpr double kDeviations = 4;  // that the unit range covers to either side of the mean

// Where a share of all pixels lies below, between bins as numpy.percentile does between values.
double percentile(const std::vector<std::int64_t>& histogram, double percent) {
  const std::int64_t count = std::accumulate(histogram.begin(), histogram.end(), std::int64_t{0});
  const double rank = percent / 100 * static_cast<double>(count - 1);
  const auto value_at = [&](std::int64_t index) {
    std::int64_t seen = 0;
    for (std::size_t bin = 0; bin < histogram.size(); ++bin)
      if ((seen += histogram[bin]) > index) return static_cast<double>(bin);
    return static_cast<double>(histogram.size() - 1);
  };
  const auto below = static_cast<std::int64_t>(std::floor(rank));
  const double low = value_at(below), high = value_at(std::min(below + 1, count - 1));
  return (low + (high - low) * (rank - static_cast<double>(below))) / static_cast<double>(histogram.size() - 1);
}

// A range of no width, as of an image of one grey, becomes one of the smallest step that a file can have.
IntensityMap stretch(double low, double high) {
  const double width = std::max(high - low, 1.0 / 65535);
  return {1 / width, -low / width};
}

IntensityMap standardise(const std::vector<std::int64_t>& histogram) {
  double count = 0, sum = 0, squares = 0;
  for (std::size_t bin = 0; bin < histogram.size(); ++bin) {
    const double value = static_cast<double>(bin) / static_cast<double>(histogram.size() - 1);
    const auto pixels = static_cast<double>(histogram[bin]);
    count += pixels;
    sum += pixels * value;
    squares += pixels * value * value;
  }
  const double mean = sum / count, deviation = std::sqrt(std::max(0.0, squares / count - mean * mean));
  return stretch(mean - kDeviations * deviation, mean + kDeviations * deviation);
}

cv::Mat brightness(const cv::Mat& root) {
  if (root.channels() == 1) return root;
  cv::Mat grey;
  cv::cvtColor(root, grey, cv::COLOR_RGB2GRAY);
  return grey;
}

}  // namespace

Intensity intensity_of(const recipe::DataSection& data) {
  Intensity intensity;
  intensity.exposed = data.intensity_of == "exposed";
  if (data.intensity == "percentile") {
    intensity.kind = Intensity::Kind::kPercentile;
    intensity.low = 0.5;
    intensity.high = 99.5;
  } else if (data.intensity == "zscore") {
    intensity.kind = Intensity::Kind::kZscore;
  } else if (data.intensity == "window") {
    intensity.kind = Intensity::Kind::kWindow;
  }
  if (data.intensity_range.size() == 2) {
    intensity.low = data.intensity_range[0];
    intensity.high = data.intensity_range[1];
  }
  return intensity;
}

void IntensityMap::apply(cv::Mat& pixels) const {
  if (scale == 1 && shift == 0) return;
  pixels.convertTo(pixels, CV_32F, scale, shift);
  cv::max(pixels, 0, pixels);
  cv::min(pixels, 1, pixels);
}

ModelScale model_scale(const Intensity& intensity) {
  if (intensity.kind == Intensity::Kind::kZscore) return {2 * kDeviations, -kDeviations};
  return {};
}

IntensityMap GreyStatistics::map(const Intensity& intensity) const {
  switch (intensity.kind) {
    case Intensity::Kind::kFixed:
      return {};
    case Intensity::Kind::kWindow:
      return stretch(intensity.low, intensity.high);
    case Intensity::Kind::kPercentile: {
      const std::vector<std::int64_t>& pixels = histogram(intensity.exposed);
      return stretch(percentile(pixels, intensity.low), percentile(pixels, intensity.high));
    }
    case Intensity::Kind::kZscore:
      return standardise(histogram(intensity.exposed));
  }
  return {};
}

const std::vector<std::int64_t>& GreyStatistics::histogram(bool exposed) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::vector<std::int64_t>& histogram = histograms_[exposed ? 1 : 0];
  if (!histogram.empty()) return histogram;
  const cv::Mat grey = brightness(root_);
  cv::Mat counts;  // 255 where a pixel does
  if (exposed) {
    cv::Mat bytes;
    grey.convertTo(bytes, CV_8U, 255);
    counts = exposed_area(bytes);
  }
  histogram.assign(kBins, 0);
  for (int y = 0; y < grey.rows; ++y) {
    const float* row = grey.ptr<float>(y);
    const std::uint8_t* counted = counts.empty() ? nullptr : counts.ptr<std::uint8_t>(y);
    for (int x = 0; x < grey.cols; ++x) {
      if (counted != nullptr && counted[x] == 0) continue;
      const float bin = std::clamp(row[x], 0.0f, 1.0f) * static_cast<float>(kBins - 1);
      ++histogram[static_cast<std::size_t>(bin + 0.5f)];
    }
  }
  return histogram;
}

cv::Mat exposed_area(const cv::Mat& grey) {
  constexpr int kTolerance = 2;
  constexpr std::uint8_t kFrame = 1, kNone = 2, kLookedAt = 3;
  const double least = 0.005 * static_cast<double>(grey.total());
  cv::Mat image = grey;  // floodFill takes no const image, and with MASK_ONLY changes none
  // With a border of one pixel around it, as floodFill wants it.
  cv::Mat mask(grey.rows + 2, grey.cols + 2, CV_8U, cv::Scalar(0));
  const auto look = [&](int x, int y) {
    if (mask.at<std::uint8_t>(y + 1, x + 1) != 0) return;
    cv::Rect around;
    const int area = cv::floodFill(image, mask, {x, y}, 0, &around, kTolerance, kTolerance,
                                   4 | kLookedAt << 8 | cv::FLOODFILL_FIXED_RANGE | cv::FLOODFILL_MASK_ONLY);
    cv::Mat part = mask(cv::Rect(around.x + 1, around.y + 1, around.width, around.height));
    part.setTo(area >= least ? kFrame : kNone, part == kLookedAt);
  };
  for (int x = 0; x < grey.cols; ++x) {
    look(x, 0);
    look(x, grey.rows - 1);
  }
  for (int y = 0; y < grey.rows; ++y) {
    look(0, y);
    look(grey.cols - 1, y);
  }
  const cv::Mat exposed = mask(cv::Rect(1, 1, grey.cols, grey.rows)) != kFrame;
  if (cv::countNonZero(exposed) * 10 < static_cast<int>(grey.total()))
    return cv::Mat(grey.size(), CV_8U, cv::Scalar(255));
  return exposed;
}

}  // namespace osteon::data
