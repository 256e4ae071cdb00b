// SPDX-License-Identifier: Apache-2.0
#include "data/class_boxes.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace osteon::data {
namespace {

struct Interval {
  double low, high;
  bool meets(const Interval& other) const { return low <= other.high && other.low <= high; }
};

// More mirror images than these along an axis are taken for all of the output.
constexpr int kMostImages = 8;

// Where a border puts `part` of an axis of `size` pixels, as far as `seen` goes; more than kMostImages: anywhere.
std::vector<Interval> images_of(Interval part, int size, bool reflects, Interval seen) {
  std::vector<Interval> images;
  if (!reflects) {
    if (part.meets(seen)) images.push_back(part);
    return images;
  }
  part.low = std::max(part.low, 0.0);
  part.high = std::min(part.high, static_cast<double>(size - 1));
  if (part.low > part.high) return images;
  if (size == 1) return {seen};
  const double period = 2.0 * (size - 1);
  const double first = std::floor((seen.low - period) / period), last = std::ceil((seen.high + period) / period);
  if (last - first > 2 * kMostImages) return std::vector<Interval>(kMostImages + 1);
  for (double k = first; k <= last; ++k)
    for (const Interval& image : {Interval{part.low + k * period, part.high + k * period},
                                  Interval{k * period - part.high, k * period - part.low}})
      if (image.meets(seen)) images.push_back(image);
  return images;
}

void enclose(double x, double y, sdk::Box& box) {
  box.left = std::min(box.left, x), box.right = std::max(box.right, x);
  box.top = std::min(box.top, y), box.bottom = std::max(box.bottom, y);
}

// The box around what an affine makes of the corners of another one.
sdk::Box mapped(const double (&m)[6], const sdk::Box& box) {
  constexpr double kFar = std::numeric_limits<double>::infinity();
  sdk::Box around{kFar, kFar, -kFar, -kFar};
  for (const double x : {box.left, box.right})
    for (const double y : {box.top, box.bottom})
      enclose(m[0] * x + m[1] * y + m[2], m[3] * x + m[4] * y + m[5], around);
  return around;
}

// Whose border words have class `c`: the first and last of `count` with its bit, or nothing.
std::optional<std::pair<int, int>> ends(const std::vector<std::uint32_t>& words, std::uint32_t bit) {
  const auto has = [bit](std::uint32_t word) { return (word & bit) != 0; };
  const auto first = std::find_if(words.begin(), words.end(), has);
  if (first == words.end()) return std::nullopt;
  const auto last = std::find_if(words.rbegin(), words.rend(), has);
  return std::pair(static_cast<int>(first - words.begin()), static_cast<int>(words.rend() - last) - 1);
}

}  // namespace

ClassBoxes boxes_of(const Labels& labels) {
  ClassBoxes boxes(static_cast<std::size_t>(labels.classes()));
  const cv::Size size = labels.size();
  for (std::size_t p = 0; p < labels.planes().size(); ++p) {
    std::vector<std::uint32_t> rows(static_cast<std::size_t>(size.height)),
        columns(static_cast<std::size_t>(size.width));
    for (int y = 0; y < size.height; ++y) {
      const auto* words = labels.planes()[p].ptr<std::uint32_t>(y);
      std::uint32_t any = 0;
      for (std::size_t x = 0; x < columns.size(); ++x) {
        any |= words[x];
        columns[x] |= words[x];
      }
      rows[static_cast<std::size_t>(y)] = any;
    }
    for (std::size_t c = 32 * p; c < std::min(boxes.size(), 32 * p + 32); ++c) {
      const std::uint32_t bit = std::uint32_t{1} << (c % 32);
      const auto x = ends(columns, bit), y = ends(rows, bit);
      if (x && y)
        boxes[c] = sdk::Box{static_cast<double>(x->first), static_cast<double>(y->first),
                            static_cast<double>(x->second), static_cast<double>(y->second)};
    }
  }
  return boxes;
}

std::optional<sdk::Box> region_behind(const osteon_warp& warp, cv::Size input, const sdk::Box& region) {
  const sdk::Box output{-0.5, -0.5, static_cast<double>(warp.width) - 0.5, static_cast<double>(warp.height) - 0.5};
  const double identity[6] = {1, 0, 0, 0, 1, 0};
  const double(&m)[6] = warp.kind == OSTEON_WARP_IDENTITY ? identity : warp.matrix;
  const double determinant = m[0] * m[4] - m[1] * m[3];
  if (std::abs(determinant) < 1e-12) return output;
  const double back[6] = {m[4] / determinant,  -m[1] / determinant, (m[1] * m[5] - m[4] * m[2]) / determinant,
                          -m[3] / determinant, m[0] / determinant,  (m[3] * m[2] - m[0] * m[5]) / determinant};
  const sdk::Box seen = mapped(m, output);
  const bool reflects = warp.border == OSTEON_BORDER_REFLECT_101;
  const auto across = images_of({region.left, region.right}, input.width, reflects, {seen.left, seen.right});
  const auto down = images_of({region.top, region.bottom}, input.height, reflects, {seen.top, seen.bottom});
  if (across.size() > kMostImages || down.size() > kMostImages) return output;
  std::optional<sdk::Box> all;
  for (const Interval& x : across)
    for (const Interval& y : down) {
      sdk::Box box = mapped(back, {x.low, y.low, x.high, y.high});
      box = {std::max(box.left, output.left), std::max(box.top, output.top), std::min(box.right, output.right),
             std::min(box.bottom, output.bottom)};
      if (box.left > box.right || box.top > box.bottom) continue;
      if (!all) all = box;
      enclose(box.left, box.top, *all);
      enclose(box.right, box.bottom, *all);
    }
  return all;
}

sdk::Box points_around(const sdk::Box& pixels) {
  constexpr double kReach = 0.51;
  return {pixels.left - kReach, pixels.top - kReach, pixels.right + kReach, pixels.bottom + kReach};
}

std::optional<sdk::Box> pixels_in(const sdk::Box& region, cv::Size size) {
  const sdk::Box box{std::max(0.0, std::ceil(region.left)), std::max(0.0, std::ceil(region.top)),
                     std::min(size.width - 1.0, std::floor(region.right)),
                     std::min(size.height - 1.0, std::floor(region.bottom))};
  return box.left > box.right || box.top > box.bottom ? std::nullopt : std::optional(box);
}

std::vector<double> flattened(const ClassBoxes& boxes) {
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  std::vector<double> values;
  for (const auto& box : boxes) {
    const sdk::Box b = box.value_or(sdk::Box{kNone, kNone, kNone, kNone});
    values.insert(values.end(), {b.left, b.top, b.right, b.bottom});
  }
  return values;
}

}  // namespace osteon::data
