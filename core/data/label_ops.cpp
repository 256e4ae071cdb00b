// SPDX-License-Identifier: Apache-2.0
#include "data/label_ops.hpp"

#include <algorithm>
#include <cstring>
#include <map>
#include <tuple>
#include <utility>

#include "base/error.hpp"

namespace osteon::data {
namespace {

template <typename Function>
Labels transform(const Labels& labels, cv::Size size, Function&& move) {
  Labels result(labels.classes(), size);
  for (std::size_t p = 0; p < labels.planes().size(); ++p) move(labels.planes()[p], result.planes()[p]);
  if (!labels.valid().empty()) {
    result.valid().create(size, CV_8UC1);
    move(labels.valid(), result.valid());
  }
  result.set_class_valid(labels.class_valid());
  return result;
}

std::string at(int x, int y) { return "pixel (" + std::to_string(x) + ", " + std::to_string(y) + ")"; }

bool same_bits(const cv::Mat& a, const cv::Mat& b) {
  for (int y = 0; y < a.rows; ++y)
    if (std::memcmp(a.ptr(y), b.ptr(y), a.elemSize() * static_cast<std::size_t>(a.cols)) != 0) return false;
  return true;
}

bool all_valid(const cv::Mat& valid) { return valid.empty() || cv::countNonZero(valid) == valid.rows * valid.cols; }

bool same_valid(const cv::Mat& a, const cv::Mat& b) {
  if (a.empty()) return all_valid(b);
  if (b.empty()) return all_valid(a);
  return cv::countNonZero((a != 0) != (b != 0)) == 0;
}

template <typename Word>
void gather(const cv::Mat& from, cv::Mat& to, const std::vector<int>& columns) {
  for (int y = 0; y < to.rows; ++y) {
    const auto source_row = (2 * std::int64_t{y} + 1) * from.rows / (2 * std::int64_t{to.rows});
    const Word* source = from.ptr<Word>(static_cast<int>(source_row));
    Word* target = to.ptr<Word>(y);
    for (int x = 0; x < to.cols; ++x) target[x] = source[columns[static_cast<std::size_t>(x)]];
  }
}

template <typename Value>
void set_indices(const cv::Mat& index, int ignore_index, Labels& labels) {
  for (int y = 0; y < index.rows; ++y) {
    const Value* from = index.ptr<Value>(y);
    std::vector<std::uint32_t*> rows;
    for (cv::Mat& plane : labels.planes()) rows.push_back(plane.ptr<std::uint32_t>(y));
    for (int x = 0; x < index.cols; ++x) {
      const int value = from[x];
      if (value == ignore_index) {
        if (labels.valid().empty()) labels.valid() = cv::Mat::ones(index.size(), CV_8UC1);
        labels.valid().at<std::uint8_t>(y, x) = 0;
      } else if (value < labels.classes()) {
        rows[static_cast<std::size_t>(value / 32)][x] = std::uint32_t{1} << (value % 32);
      } else {
        throw Error(ExitCode::kData,
                    at(x, y) + " has value " + std::to_string(value) + ", but classes go from 0 to " +
                        std::to_string(labels.classes() - 1) +
                        (ignore_index >= 0 ? " and ignore_index is " + std::to_string(ignore_index) : std::string()));
      }
    }
  }
}

/// Classes that move together: between two planes, by as many bits to the left, around the word's end.
struct BitMove {
  std::size_t source_plane, target_plane;
  unsigned left;
  bool operator<(const BitMove& other) const {
    return std::tie(source_plane, target_plane, left) < std::tie(other.source_plane, other.target_plane, other.left);
  }
};

void add_turned(const std::uint32_t* source, std::uint32_t mask, unsigned left, int count, std::uint32_t* target) {
  const unsigned right = (32 - left) % 32;
  for (int x = 0; x < count; ++x) {
    const std::uint32_t bits = source[x] & mask;
    target[x] |= (bits << left) | (bits >> right);
  }
}

/// Calls `use(y, x, class)` for every valid pixel; throws where it has none or several.
template <typename Use>
void for_each_class(const Labels& labels, Use&& use) {
  for (int y = 0; y < labels.size().height; ++y) {
    const std::uint8_t* valid = labels.valid().empty() ? nullptr : labels.valid().ptr<std::uint8_t>(y);
    for (int x = 0; x < labels.size().width; ++x) {
      if (valid && !valid[x]) continue;
      int found = -1;
      int count = 0;
      for (std::size_t p = 0; p < labels.planes().size(); ++p) {
        const std::uint32_t word = labels.planes()[p].ptr<std::uint32_t>(y)[x];
        if (word == 0) continue;
        found = static_cast<int>(32 * p) + __builtin_ctz(word);
        count += __builtin_popcount(word);
      }
      if (count != 1)
        throw Error(ExitCode::kData, at(x, y) + " has " + std::to_string(count) +
                                         " classes, but with kind = \"multiclass\" every pixel has exactly one");
      use(y, x, found);
    }
  }
}

}  // namespace

Labels clone(const Labels& labels) {
  if (labels.empty()) return {};
  return transform(labels, labels.size(), [](const cv::Mat& from, cv::Mat& to) { from.copyTo(to); });
}

bool equal(const Labels& a, const Labels& b) {
  if (a.classes() != b.classes() || a.size() != b.size()) return false;
  for (std::size_t p = 0; p < a.planes().size(); ++p)
    if (!same_bits(a.planes()[p], b.planes()[p])) return false;
  return same_valid(a.valid(), b.valid()) && a.class_valid() == b.class_valid();
}

Labels crop(const Labels& labels, const cv::Rect& region) {
  if (region.empty() || (region & cv::Rect({0, 0}, labels.size())) != region)
    throw Error(ExitCode::kData, "the crop does not lie inside the labels");
  return transform(labels, region.size(), [&](const cv::Mat& from, cv::Mat& to) { from(region).copyTo(to); });
}

Labels resize_nearest(const Labels& labels, cv::Size size) {
  std::vector<int> columns;
  for (int x = 0; x < size.width; ++x)
    columns.push_back(
        static_cast<int>((2 * std::int64_t{x} + 1) * labels.size().width / (2 * std::int64_t{size.width})));
  return transform(labels, size, [&](const cv::Mat& from, cv::Mat& to) {
    if (from.depth() == CV_8U)
      gather<std::uint8_t>(from, to, columns);
    else
      gather<std::uint32_t>(from, to, columns);
  });
}

Labels select_classes(const Labels& labels, const std::vector<int>& from) {
  Labels result(static_cast<int>(from.size()), labels.size());
  std::vector<std::uint8_t> known(from.size(), 1);
  std::map<BitMove, std::uint32_t> moves;
  for (std::size_t c = 0; c < from.size(); ++c) {
    if (from[c] < 0) continue;
    if (from[c] >= labels.classes())
      throw Error(ExitCode::kData, "class " + std::to_string(from[c]) + " does not exist; there are " +
                                       std::to_string(labels.classes()) + " classes");
    known[c] = labels.knows(from[c]) ? 1 : 0;
    const auto source = static_cast<std::size_t>(from[c]);
    moves[{source / 32, c / 32, static_cast<unsigned>(c - source) % 32}] |= std::uint32_t{1} << (source % 32);
  }
  for (const auto& [move, mask] : moves) {
    const cv::Mat& source = labels.planes()[move.source_plane];
    cv::Mat& target = result.planes()[move.target_plane];
    for (int y = 0; y < labels.size().height; ++y)
      add_turned(source.ptr<std::uint32_t>(y), mask, move.left, labels.size().width, target.ptr<std::uint32_t>(y));
  }
  result.valid() = labels.valid().clone();
  result.set_class_valid(std::move(known));
  return result;
}

void add_region(Labels& labels, int c, const cv::Mat& mask, cv::Point origin) {
  const cv::Rect region(origin, mask.size());
  if (c < 0 || c >= labels.classes() || mask.type() != CV_8UC1 || (region & cv::Rect({0, 0}, labels.size())) != region)
    throw Error(ExitCode::kData, "a mask must be CV_8UC1, of a class that exists, and lie inside the labels");
  cv::Mat& plane = labels.planes()[static_cast<std::size_t>(c / 32)];
  const std::uint32_t bit = std::uint32_t{1} << (c % 32);
  for (int y = 0; y < mask.rows; ++y) {
    const std::uint8_t* from = mask.ptr<std::uint8_t>(y);
    std::uint32_t* to = plane.ptr<std::uint32_t>(origin.y + y) + origin.x;
    for (int x = 0; x < mask.cols; ++x) to[x] |= from[x] != 0 ? bit : 0U;
  }
}

Labels from_index(const cv::Mat& index, int classes, int ignore_index) {
  Labels labels(classes, index.size());
  if (index.type() == CV_8UC1)
    set_indices<std::uint8_t>(index, ignore_index, labels);
  else if (index.type() == CV_16UC1)
    set_indices<std::uint16_t>(index, ignore_index, labels);
  else
    throw Error(ExitCode::kData, "class indices must be CV_8UC1 or CV_16UC1");
  return labels;
}

cv::Mat to_index(const Labels& labels, int ignore_index) {
  const bool bytes = std::max(labels.classes() - 1, ignore_index) <= 255;
  cv::Mat index(labels.size(), bytes ? CV_8UC1 : CV_16UC1, cv::Scalar(std::max(ignore_index, 0)));
  for_each_class(labels, [&](int y, int x, int c) {
    if (bytes)
      index.at<std::uint8_t>(y, x) = static_cast<std::uint8_t>(c);
    else
      index.at<std::uint16_t>(y, x) = static_cast<std::uint16_t>(c);
  });
  return index;
}

void check_one_class_per_pixel(const Labels& labels) {
  for_each_class(labels, [](int, int, int) {});
}

void leave_out_unlabelled(Labels& labels) {
  if (labels.valid().empty()) labels.valid() = cv::Mat::ones(labels.size(), CV_8UC1);
  for (int y = 0; y < labels.size().height; ++y) {
    std::uint8_t* valid = labels.valid().ptr<std::uint8_t>(y);
    for (int x = 0; x < labels.size().width; ++x) {
      std::uint32_t any = 0;
      for (const cv::Mat& plane : labels.planes()) any |= plane.ptr<std::uint32_t>(y)[x];
      if (any == 0) valid[x] = 0;
    }
  }
}

}  // namespace osteon::data
