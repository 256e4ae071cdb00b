// SPDX-License-Identifier: Apache-2.0
#include "parts.hpp"

#include <algorithm>
#include <numeric>

#include <opencv2/imgproc.hpp>

namespace osteon::components {
namespace {

/// Parts of a mask; number 0 is what is not set.
struct Parts {
  cv::Mat labels, stats, centroids;  // CV_32S [rows, columns], [parts, 5]
  int count = 0;

  Parts(const cv::Mat& mask, int connectivity) {
    count = cv::connectedComponentsWithStats(mask, labels, stats, centroids, connectivity, CV_32S);
  }
  std::int64_t area(int part) const { return stats.at<int>(part, cv::CC_STAT_AREA); }
};

// The first pixel of a part, counted by rows. OpenCV numbers parts by blocks of pixels, in an order that is its own.
std::int64_t first_pixel(const Parts& parts, int part) {
  const int y = parts.stats.at<int>(part, cv::CC_STAT_TOP);
  const int* row = parts.labels.ptr<int>(y);
  return std::int64_t{y} * parts.labels.cols + (std::find(row, row + parts.labels.cols, part) - row);
}

void keep_labels(cv::Mat& mask, const cv::Mat& labels, const std::vector<std::uint8_t>& value) {
  for (int y = 0; y < mask.rows; ++y) {
    const int* label = labels.ptr<int>(y);
    auto* row = mask.ptr<std::uint8_t>(y);
    for (int x = 0; x < mask.cols; ++x) row[x] = value[static_cast<std::size_t>(label[x])];
  }
}

}  // namespace

void keep_parts(cv::Mat& mask, int connectivity, std::int64_t min_area, std::int64_t most,
                const std::function<void()>& step) {
  step();
  const Parts parts(mask, connectivity);
  step();
  std::vector<int> kept(static_cast<std::size_t>(parts.count - 1));
  std::iota(kept.begin(), kept.end(), 1);
  kept.erase(std::remove_if(kept.begin(), kept.end(), [&](int part) { return parts.area(part) < min_area; }),
             kept.end());
  if (most > 0 && static_cast<std::int64_t>(kept.size()) > most) {
    const auto larger = [&](int a, int b) {
      return parts.area(a) != parts.area(b) ? parts.area(a) > parts.area(b)
                                            : first_pixel(parts, a) < first_pixel(parts, b);
    };
    std::nth_element(kept.begin(), kept.begin() + most, kept.end(), larger);
    kept.resize(static_cast<std::size_t>(most));
  }
  std::vector<std::uint8_t> value(static_cast<std::size_t>(parts.count), 0);
  for (const int part : kept) value[static_cast<std::size_t>(part)] = 1;
  step();
  keep_labels(mask, parts.labels, value);
}

void fill_holes(cv::Mat& mask, int connectivity, std::int64_t largest, const std::function<void()>& step) {
  step();
  const cv::Mat clear = 1 - mask;
  const Parts gaps(clear, connectivity == 8 ? 4 : 8);
  step();
  std::vector<std::uint8_t> value(static_cast<std::size_t>(gaps.count), 0);
  value[0] = 1;  // what is set stays
  for (int gap = 1; gap < gaps.count; ++gap) {
    const int* box = gaps.stats.ptr<int>(gap);
    const int left = box[cv::CC_STAT_LEFT], top = box[cv::CC_STAT_TOP];
    const bool inside =
        left > 0 && top > 0 && left + box[cv::CC_STAT_WIDTH] < mask.cols && top + box[cv::CC_STAT_HEIGHT] < mask.rows;
    value[static_cast<std::size_t>(gap)] = inside && (largest == 0 || gaps.area(gap) <= largest) ? 1 : 0;
  }
  keep_labels(mask, gaps.labels, value);
}

std::vector<cv::Rect> boxes_of(const cv::Mat& words, int classes) {
  std::vector<std::uint32_t> in_row(static_cast<std::size_t>(words.rows)),
      in_column(static_cast<std::size_t>(words.cols));
  for (int y = 0; y < words.rows; ++y) {
    const auto* row = words.ptr<std::uint32_t>(y);
    std::uint32_t all = 0;
    for (int x = 0; x < words.cols; ++x) {
      all |= row[x];
      in_column[static_cast<std::size_t>(x)] |= row[x];
    }
    in_row[static_cast<std::size_t>(y)] = all;
  }
  const auto reach = [](const std::vector<std::uint32_t>& any, int bit) {
    const auto has = [bit](std::uint32_t word) { return (word >> bit & 1u) != 0; };
    const auto first = std::find_if(any.begin(), any.end(), has);
    const auto last = std::find_if(any.rbegin(), any.rend(), has).base();
    return first == any.end() ? cv::Range(0, 0)
                              : cv::Range(static_cast<int>(first - any.begin()), static_cast<int>(last - any.begin()));
  };
  std::vector<cv::Rect> boxes;
  for (int c = 0; c < classes; ++c) {
    const cv::Range rows = reach(in_row, c), columns = reach(in_column, c);
    boxes.emplace_back(columns.start, rows.start, columns.size(), rows.size());
  }
  return boxes;
}

cv::Mat mask_of(const cv::Mat& words, int bit) {
  cv::Mat mask(words.size(), CV_8UC1);
  for (int y = 0; y < words.rows; ++y) {
    const auto* row = words.ptr<std::uint32_t>(y);
    auto* out = mask.ptr<std::uint8_t>(y);
    for (int x = 0; x < words.cols; ++x) out[x] = static_cast<std::uint8_t>(row[x] >> bit & 1u);
  }
  return mask;
}

void set_bit(cv::Mat words, int bit, const cv::Mat& mask) {
  for (int y = 0; y < words.rows; ++y) {
    auto* row = words.ptr<std::uint32_t>(y);
    const auto* in = mask.ptr<std::uint8_t>(y);
    for (int x = 0; x < words.cols; ++x) row[x] = (row[x] & ~(1u << bit)) | (std::uint32_t{in[x]} << bit);
  }
}

}  // namespace osteon::components
