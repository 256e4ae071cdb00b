// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <set>

#include <gtest/gtest.h>

#include "grid.hpp"
#include "support/photometric.hpp"

namespace osteon::test {
namespace {

using augmentations::Grid;
using augmentations::Hole;
using augmentations::holes_of;

using Given = std::map<std::string, plugin::ParameterValue>;
using Whole = std::vector<std::int64_t>;

Photometric dropout(Given given) { return Photometric("grid_dropout", given); }
// The team's own: 12 x 12 holes at fixed places, 0.4 of their cells.
Given fixed_grid() {
  return {{"ratio", std::vector<double>{0.4}},
          {"holes_number_x", Whole{12}},
          {"holes_number_y", Whole{12}},
          {"random_offset", std::vector<bool>{false}}};
}

template <class T>
Picture<T> full(std::int64_t height, std::int64_t width, std::int64_t channels, T value) {
  Picture<T> picture(height, width, channels);
  std::fill(picture.pixels.begin(), picture.pixels.end(), value);
  return picture;
}

TEST(GridDropout, PutsHolesWhereCellsBeginWithoutARandomOffset) {
  Given given = fixed_grid();
  given["shift_xy"] = Whole{3, 5};
  given["fill"] = std::vector<double>{0.2};
  auto out = dropout(given).apply(full<std::uint8_t>(120, 240, 3, 200));
  for (std::int64_t y = 0; y < 120; ++y)
    for (std::int64_t x = 0; x < 240; ++x) {
      // Cells of 20 x 10 px with holes of 8 x 4, the last of which end at the image's edge.
      const bool hole = x % 20 >= 3 && x % 20 < 11 && y % 10 >= 5 && y % 10 < 9;
      for (int c = 0; c < 3; ++c) ASSERT_EQ(out.at(y, x, c), hole ? 51 : 200) << y << " " << x;
    }
}

TEST(GridDropout, CutsHolesOffToWholePixelsAndKeepsThemInTheImage) {
  sdk::Random random(1, 2);
  // Cells of 7 and 6 px: 0.4 of either is 2. A shift beyond the edge moves the last hole back.
  std::set<std::int64_t> lengths;
  for (int draw = 0; draw < 50; ++draw) {
    const auto holes = holes_of({3, 1, 0.4, false, 18, 0}, 5, 20, random);
    ASSERT_EQ(holes.size(), 3u);
    for (const Hole& hole : holes) {
      EXPECT_EQ(hole.right - hole.left, 2);
      EXPECT_LE(hole.right, 20);
    }
    EXPECT_EQ(holes[0].left, 18);
    EXPECT_EQ(holes[2].left, 18);
    lengths.insert(holes_of({3, 1, 0.4, false, 0, 0}, 5, 20, random)[1].left);
  }
  EXPECT_EQ(lengths, (std::set<std::int64_t>{6, 7})) << "which cells are longer is drawn";
  // The whole cell but a pixel, and never nothing.
  EXPECT_EQ(holes_of({1, 1, 1.0, false, 0, 0}, 8, 8, random)[0].right, 7);
  EXPECT_EQ(holes_of({1, 1, 0.01, false, 0, 0}, 8, 8, random)[0].right, 1);
}

TEST(GridDropout, MovesEachHoleAnywhereInItsCell) {
  std::set<std::int64_t> lefts, tops;
  for (std::uint64_t key = 0; key < 100; ++key) {
    sdk::Random random(key, 0);
    const auto holes = holes_of({4, 2, 0.5, true, 0, 0}, 20, 40, random);
    ASSERT_EQ(holes.size(), 8u);
    for (std::size_t i = 0; i < 8; ++i) {
      const auto column = static_cast<std::int64_t>(i % 4), row = static_cast<std::int64_t>(i / 4);
      ASSERT_EQ(holes[i].right - holes[i].left, 5);
      ASSERT_EQ(holes[i].bottom - holes[i].top, 5);
      lefts.insert(holes[i].left - 10 * column);
      tops.insert(holes[i].top - 10 * row);
    }
  }
  const std::set<std::int64_t> all = {0, 1, 2, 3, 4, 5};
  EXPECT_EQ(lefts, all);
  EXPECT_EQ(tops, all);
}

// The number of holes along a side, by the pixels of a row through them.
int holes_along(Picture<std::uint8_t> out, bool across) {
  std::set<std::int64_t> begins;
  for (std::int64_t y = 0; y < out.height; ++y)
    for (std::int64_t x = 0; x < out.width; ++x) {
      const bool before = across ? x > 0 && out.at(y, x - 1) == 0 : y > 0 && out.at(y - 1, x) == 0;
      if (out.at(y, x) == 0 && !before) begins.insert(across ? x : y);
    }
  return static_cast<int>(begins.size());
}

TEST(GridDropout, CountsCellsByNumberBySizeOrByTenths) {
  const auto image = full<std::uint8_t>(60, 90, 1, 9);
  Given given = {{"random_offset", std::vector<bool>{false}}};
  EXPECT_EQ(holes_along(dropout(given).apply(image), true), 10);
  EXPECT_EQ(holes_along(dropout(given).apply(image), false), 10);
  given["holes_number_xy"] = Whole{9, 4};
  EXPECT_EQ(holes_along(dropout(given).apply(image), true), 9);
  EXPECT_EQ(holes_along(dropout(given).apply(image), false), 4);
  given.erase("holes_number_xy");
  given["unit_size_range"] = Whole{10, 15};
  const Photometric sized = dropout(given);
  std::set<int> counts;
  for (std::uint64_t key = 0; key < 60; ++key) counts.insert(holes_along(sized.apply(image, key), true));
  EXPECT_EQ(counts, (std::set<int>{6, 7, 8, 9})) << "90 px by 10, 11, 12, 13, 14 and 15";
}

TEST(GridDropout, LeavesLabelsAloneUnlessItIsToldOtherwise) {
  const auto image = full<float>(24, 24, 1, 1);
  Picture<std::int32_t> planes = full<std::int32_t>(24, 24, 1, 3);
  Picture<std::uint8_t> valid = full<std::uint8_t>(24, 24, 1, 1);
  EXPECT_FALSE(dropout(fixed_grid()).edits_labels());
  for (const std::string labels : {"empty", "ignore"}) {
    Given given = fixed_grid();
    given["labels"] = std::vector<std::string>{labels};
    given["holes_number_x"] = given["holes_number_y"] = Whole{4};
    const Photometric plugin = dropout(given);
    ASSERT_TRUE(plugin.edits_labels());
    auto some_planes = planes;
    auto some_valid = valid;
    const auto out = plugin.apply(image, 1, &some_planes, &some_valid);
    for (std::size_t i = 0; i < out.pixels.size(); ++i) {
      const bool hole = out.pixels[i] == 0;
      ASSERT_EQ(some_planes.pixels[i], hole && labels == "empty" ? 0 : 3);
      ASSERT_EQ(some_valid.pixels[i], hole && labels == "ignore" ? 0 : 1);
    }
  }
}

TEST(GridDropout, RefusesWhatGivesNoGrid) {
  const auto refused = [](const char* key, const plugin::ParameterValue& value) {
    Given given = fixed_grid();
    given[key] = value;
    EXPECT_THROW(dropout(given), Error) << key;
  };
  refused("ratio", std::vector<double>{0});
  refused("holes_number_x", Whole{0});
  refused("holes_number_xy", Whole{3, 3});
  refused("unit_size_range", Whole{10, 20});
  EXPECT_THROW(dropout({{"unit_size_range", Whole{20, 10}}}), Error);
  EXPECT_THROW(dropout({{"holes_number_xy", Whole{3}}}), Error);
  EXPECT_THROW(dropout(fixed_grid()).apply(Picture<float>(40, 23)), Error);
  EXPECT_THROW(dropout({{"unit_size_range", Whole{10, 20}}}).apply(Picture<float>(40, 19)), Error);
}

TEST(GridDropout, StopsWhenItIsToldTo) { EXPECT_TRUE(dropout(fixed_grid()).stops(speckled<float>(24, 24))); }

}  // namespace
}  // namespace osteon::test
