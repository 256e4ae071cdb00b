// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <set>

#include <gtest/gtest.h>

#include "support/photometric.hpp"

namespace osteon::test {
namespace {

using Given = std::map<std::string, plugin::ParameterValue>;
using Real = std::vector<double>;

// The box around all holes, and how many pixels are in holes.
struct Found {
  std::int64_t left = 1000, top = 1000, right = 0, bottom = 0, area = 0;
};
template <class T>
Found found(Picture<T> out, T fill) {
  Found f;
  for (std::int64_t y = 0; y < out.height; ++y)
    for (std::int64_t x = 0; x < out.width; ++x) {
      if (out.at(y, x) != fill) continue;
      f.left = std::min(f.left, x);
      f.top = std::min(f.top, y);
      f.right = std::max(f.right, x + 1);
      f.bottom = std::max(f.bottom, y + 1);
      ++f.area;
    }
  return f;
}

template <class T>
Picture<T> full(std::int64_t height, std::int64_t width, T value) {
  Picture<T> picture(height, width);
  std::fill(picture.pixels.begin(), picture.pixels.end(), value);
  return picture;
}

TEST(CoarseDropout, DrawsARectangleOfEachSizeAnywhereInTheImage) {
  const Photometric dropout("coarse_dropout", {{"hole_height_range", Real{2, 4}}, {"hole_width_range", Real{5, 6}}});
  std::set<std::int64_t> heights, widths, lefts, tops, rights, bottoms;
  for (std::uint64_t key = 0; key < 400; ++key) {
    const Found hole = found<std::uint16_t>(dropout.apply(full<std::uint16_t>(12, 16, 7), key), 0);
    ASSERT_EQ(hole.area, (hole.right - hole.left) * (hole.bottom - hole.top)) << "one rectangle";
    heights.insert(hole.bottom - hole.top);
    widths.insert(hole.right - hole.left);
    lefts.insert(hole.left);
    tops.insert(hole.top);
    rights.insert(hole.right);
    bottoms.insert(hole.bottom);
  }
  EXPECT_EQ(heights, (std::set<std::int64_t>{2, 3, 4}));
  EXPECT_EQ(widths, (std::set<std::int64_t>{5, 6}));
  EXPECT_EQ(*lefts.begin(), 0);
  EXPECT_EQ(*tops.begin(), 0);
  EXPECT_EQ(*rights.rbegin(), 16);
  EXPECT_EQ(*bottoms.rbegin(), 12);
}

TEST(CoarseDropout, TakesSharesOfTheImageAndNeverMoreThanIt) {
  const Photometric shares("coarse_dropout",
                           {{"hole_height_range", Real{0.25, 0.25}}, {"hole_width_range", Real{1, 1}}});
  Found hole = found<float>(shares.apply(full<float>(20, 30, 1)), 0);
  EXPECT_EQ(hole.bottom - hole.top, 5);
  EXPECT_EQ(hole.right - hole.left, 30);
  const Photometric large("coarse_dropout", {{"hole_height_range", Real{500, 900}}, {"hole_width_range", Real{8, 8}}});
  hole = found<float>(large.apply(full<float>(20, 30, 1)), 0);
  EXPECT_EQ(hole.bottom - hole.top, 20);
  EXPECT_EQ(hole.right - hole.left, 8);
  EXPECT_THROW(Photometric("coarse_dropout", {{"hole_height_range", Real{0.5, 8}}}), Error);
}

TEST(CoarseDropout, DrawsHowManyHoles) {
  const Photometric dropout("coarse_dropout", {{"num_holes_range", std::vector<std::int64_t>{1, 3}},
                                               {"hole_height_range", Real{2, 2}},
                                               {"hole_width_range", Real{2, 2}}});
  std::set<std::int64_t> areas;
  for (std::uint64_t key = 0; key < 100; ++key)
    areas.insert(found<std::uint8_t>(dropout.apply(full<std::uint8_t>(300, 300, 1), key), 0).area);
  for (const std::int64_t holes : {1, 2, 3}) EXPECT_EQ(areas.count(4 * holes), 1u) << holes;
  EXPECT_LE(*areas.rbegin(), 12);
}

TEST(CoarseDropout, FillsAndEditsLabelsAsItIsTold) {
  const auto image = full<std::uint8_t>(20, 20, 9);
  Picture<std::int32_t> planes = full<std::int32_t>(20, 20, 1);
  Picture<std::uint8_t> valid = full<std::uint8_t>(20, 20, 1);
  EXPECT_FALSE(Photometric("coarse_dropout").edits_labels());
  const Photometric dropout("coarse_dropout", {{"fill", Real{0.5}}, {"labels", std::vector<std::string>{"ignore"}}});
  ASSERT_TRUE(dropout.edits_labels());
  const auto out = dropout.apply(image, 1, &planes, &valid);
  EXPECT_EQ(found<std::uint8_t>(out, 128).area, 64);
  for (std::size_t i = 0; i < out.pixels.size(); ++i) ASSERT_EQ(valid.pixels[i], out.pixels[i] == 128 ? 0 : 1);
  EXPECT_THROW(dropout.apply(image, 1, &planes), Error) << "there is no plane to say it in";
}

TEST(CoarseDropout, StopsWhenItIsToldTo) { EXPECT_TRUE(Photometric("coarse_dropout").stops(speckled<float>(24, 24))); }

}  // namespace
}  // namespace osteon::test
