// SPDX-License-Identifier: Apache-2.0
#include "data/labels.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "base/error.hpp"
#include "data/bit_count.hpp"

namespace osteon::data {
namespace {

void check_class(int c, int classes) {
  if (c < 0 || c >= classes)
    throw Error(ExitCode::kData,
                "class " + std::to_string(c) + " does not exist; there are " + std::to_string(classes) + " classes");
}

}  // namespace

Labels Labels::undefined(int classes, cv::Size size) {
  if (classes < 1 || size.width < 1 || size.height < 1)
    throw Error(ExitCode::kData, "labels need at least one class and one pixel, not " + std::to_string(classes) +
                                     " classes at " + std::to_string(size.width) + " x " + std::to_string(size.height));
  Labels labels;
  labels.classes_ = classes;
  labels.size_ = size;
  for (int p = 0; p < plane_count(classes); ++p) labels.planes_.emplace_back(size, CV_32SC1);
  return labels;
}

Labels::Labels(int classes, cv::Size size) : Labels(undefined(classes, size)) {
  for (cv::Mat& plane : planes_) plane.setTo(0);
}

void Labels::set_class_valid(std::vector<std::uint8_t> valid) {
  if (!valid.empty() && valid.size() != static_cast<std::size_t>(classes_))
    throw Error(ExitCode::kData, "it is said of " + std::to_string(valid.size()) + " classes whether they are known; " +
                                     "there are " + std::to_string(classes_));
  const bool all = std::all_of(valid.begin(), valid.end(), [](std::uint8_t known) { return known != 0; });
  class_valid_ = all ? std::vector<std::uint8_t>() : std::move(valid);
}

void Labels::add(int c, const cv::Mat& mask) {
  check_class(c, classes_);
  if (mask.type() != CV_8UC1 || mask.size() != size_)
    throw Error(ExitCode::kData, "a mask must be CV_8UC1 of the labels' size");
  cv::Mat& plane = planes_[static_cast<std::size_t>(c / 32)];
  const std::uint32_t bit = std::uint32_t{1} << (c % 32);
  for (int y = 0; y < size_.height; ++y) {
    const std::uint8_t* from = mask.ptr<std::uint8_t>(y);
    std::uint32_t* to = plane.ptr<std::uint32_t>(y);
    for (int x = 0; x < size_.width; ++x) to[x] |= from[x] != 0 ? bit : 0U;
  }
}

cv::Mat Labels::mask(int c) const {
  check_class(c, classes_);
  const cv::Mat& plane = planes_[static_cast<std::size_t>(c / 32)];
  const std::uint32_t bit = std::uint32_t{1} << (c % 32);
  cv::Mat result(size_, CV_8UC1);
  for (int y = 0; y < size_.height; ++y) {
    const std::uint32_t* from = plane.ptr<std::uint32_t>(y);
    std::uint8_t* to = result.ptr<std::uint8_t>(y);
    for (int x = 0; x < size_.width; ++x) to[x] = (from[x] & bit) != 0 ? 255 : 0;
  }
  return result;
}

std::vector<std::int64_t> Labels::areas() const {
  std::vector<std::int64_t> result(static_cast<std::size_t>(classes_));
  for (std::size_t p = 0; p < planes_.size(); ++p) {
    BitCounter counter;
    for (int y = 0; y < size_.height; ++y) {
      const std::uint32_t* row = planes_[p].ptr<std::uint32_t>(y);
      int x = 0;
      for (; x + BitCounter::kBlock <= size_.width; x += BitCounter::kBlock) counter.add(row + x);
      if (x == size_.width) continue;
      std::array<std::uint32_t, BitCounter::kBlock> rest{};
      std::copy(row + x, row + size_.width, rest.begin());
      counter.add(rest.data());
    }
    const auto counts = counter.counts();
    for (std::size_t c = 32 * p; c < std::min(result.size(), 32 * (p + 1)); ++c) result[c] = counts[c % 32];
  }
  return result;
}

}  // namespace osteon::data
