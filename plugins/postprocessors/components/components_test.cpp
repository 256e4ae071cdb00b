// SPDX-License-Identifier: Apache-2.0
// Parts and holes against a flood fill.
#include <algorithm>
#include <functional>

#include <gtest/gtest.h>

#include <osteon/sdk/random.hpp>

#include "base/error.hpp"
#include "support/stored_planes.hpp"
#include "support/watched_call.hpp"

namespace osteon::test {
namespace {

struct Options {
  std::int64_t keep_largest = 1, min_area = 0, max_hole = 0, connectivity = 8;
  bool fill_holes = false;

  std::map<std::string, plugin::ParameterValue> parameters() const {
    return {{"keep_largest", std::vector<std::int64_t>{keep_largest}},
            {"min_area", std::vector<std::int64_t>{min_area}},
            {"fill_holes", std::vector<bool>{fill_holes}},
            {"max_hole", std::vector<std::int64_t>{max_hole}},
            {"connectivity", std::vector<std::int64_t>{connectivity}}};
  }
};

/// A mask of one class, and what should come of it, by flooding.
struct Mask {
  std::int64_t height, width;
  std::vector<char> set;

  /// Each part's pixels, rising; parts in the order of their first pixel.
  std::vector<std::vector<std::int64_t>> parts_of(char value, std::int64_t connectivity) const {
    std::vector<char> seen(set.size(), 0);
    std::vector<std::vector<std::int64_t>> parts;
    for (std::int64_t start = 0; start < height * width; ++start) {
      if (seen[static_cast<std::size_t>(start)] != 0 || set[static_cast<std::size_t>(start)] != value) continue;
      std::vector<std::int64_t> part{start};
      seen[static_cast<std::size_t>(start)] = 1;
      for (std::size_t i = 0; i < part.size(); ++i)
        for (std::int64_t dy = -1; dy <= 1; ++dy)
          for (std::int64_t dx = -1; dx <= 1; ++dx) {
            if (connectivity == 4 && dy != 0 && dx != 0) continue;
            const std::int64_t y = part[i] / width + dy, x = part[i] % width + dx;
            if (y < 0 || y >= height || x < 0 || x >= width) continue;
            const auto at = static_cast<std::size_t>(y * width + x);
            if (seen[at] != 0 || set[at] != value) continue;
            seen[at] = 1;
            part.push_back(y * width + x);
          }
      parts.push_back(part);
    }
    return parts;
  }
  void assign(const std::vector<std::int64_t>& pixels, char value) {
    for (const std::int64_t p : pixels) set[static_cast<std::size_t>(p)] = value;
  }
  void clean(const Options& options) {
    auto parts = parts_of(1, options.connectivity);
    std::stable_sort(parts.begin(), parts.end(), [](const auto& a, const auto& b) { return a.size() > b.size(); });
    for (std::size_t i = 0; i < parts.size(); ++i)
      if (static_cast<std::int64_t>(parts[i].size()) < options.min_area ||
          (options.keep_largest > 0 && static_cast<std::int64_t>(i) >= options.keep_largest))
        assign(parts[i], 0);
    if (!options.fill_holes) return;
    for (const auto& gap : parts_of(0, 12 - options.connectivity)) {
      const bool at_edge = std::any_of(gap.begin(), gap.end(), [&](std::int64_t p) {
        return p / width == 0 || p / width == height - 1 || p % width == 0 || p % width == width - 1;
      });
      if (!at_edge && (options.max_hole == 0 || static_cast<std::int64_t>(gap.size()) <= options.max_hole))
        assign(gap, 1);
    }
  }
};

StoredPlanes<std::int32_t> random_bits(std::int64_t classes, std::int64_t height, std::int64_t width,
                                       std::uint64_t seed) {
  StoredPlanes<std::int32_t> inner{classes, height, width, {}, false, OSTEON_FORM_BITS};
  const std::int64_t pixels = height * width;
  inner.values.assign(static_cast<std::size_t>((classes + 31) / 32 * pixels), 0);
  sdk::Random random(seed, 1);
  for (std::int64_t c = 0; c < classes; ++c) {
    const double share = c % 5 == 4 ? 0.02 : 0.45 + 0.1 * static_cast<double>(c % 3);
    for (std::int64_t p = 0; p < pixels; ++p)
      if (random.chance(share))
        inner.values[static_cast<std::size_t>(c / 32 * pixels + p)] |= static_cast<std::int32_t>(1u << (c % 32));
  }
  return inner;
}

void expect_as_flooded(const StoredPlanes<std::int32_t>& inner, const Options& options,
                       const std::vector<std::int32_t>& asked, int threads = 1) {
  const sdk::Prediction got = process("components", options.parameters(), inner, OSTEON_FORM_BITS, {}, asked, threads);
  StoredPlanes<std::int32_t> out = inner;
  out.values.assign(sdk::data_of<const std::int32_t>(got.view(), "bits"),
                    sdk::data_of<const std::int32_t>(got.view(), "bits") + sdk::element_count(got.view()));
  for (std::size_t k = 0; k < asked.size(); ++k) {
    Mask mask{inner.height, inner.width, {}};
    for (std::int64_t p = 0; p < inner.height * inner.width; ++p) mask.set.push_back(inner.is_set(asked[k], p) ? 1 : 0);
    mask.clean(options);
    for (std::int64_t p = 0; p < inner.height * inner.width; ++p)
      ASSERT_EQ(out.is_set(static_cast<std::int64_t>(k), p), mask.set[static_cast<std::size_t>(p)] != 0)
          << "class " << asked[k] << ", pixel " << p;
  }
}

TEST(Components, AreThoseOfAFloodFill) {
  const StoredPlanes<std::int32_t> inner = random_bits(34, 37, 41, 1);
  std::vector<std::int32_t> all, some = {0, 4, 31, 33};
  for (std::int32_t c = 0; c < 34; ++c) all.push_back(c);
  for (const std::int64_t connectivity : {4, 8})
    for (const bool fills : {false, true})
      for (const Options& options :
           {Options{1, 0, 0, connectivity, fills}, Options{0, 6, fills ? 3 : 0, connectivity, fills},
            Options{3, 4, fills ? 40 : 0, connectivity, fills}, Options{0, 0, 0, connectivity, fills}}) {
        expect_as_flooded(inner, options, all, 2);
        expect_as_flooded(inner, options, some);
      }
}

TEST(Components, WorkOnImagesOfOnePixelAndOfOneRow) {
  for (const auto& [height, width] : {std::pair<int, int>{1, 1}, {1, 9}, {9, 1}})
    expect_as_flooded(random_bits(3, height, width, 7), {1, 0, 0, 8, true}, {0, 1, 2});
}

TEST(Components, KeepTheFirstByRowsOfEqualParts) {
  StoredPlanes<std::int32_t> inner{1, 3, 8, {}, false, OSTEON_FORM_BITS};
  inner.values = {0, 0, 0, 0, 0, 0, 1, 1,  //
                  1, 1, 0, 1, 1, 0, 0, 0,  //
                  0, 0, 0, 0, 0, 0, 0, 0};
  expect_as_flooded(inner, {1, 0, 0, 8, false}, {0});
  expect_as_flooded(inner, {2, 0, 0, 8, false}, {0});
}

TEST(Components, GiveWhatTheyDropToTheBackgroundWhereAPixelHasOneClass) {
  // Class 1 has two parts, and class 2 lies in a hole of the larger.
  StoredPlanes<std::int32_t> inner{3, 4, 6, {}, true, OSTEON_FORM_BITS};
  const int index[] = {1, 1, 1, 0, 0, 0,  //
                       1, 2, 1, 0, 1, 0,  //
                       1, 1, 1, 0, 0, 2,  //
                       0, 0, 0, 0, 0, 2};
  for (const int c : index) inner.values.push_back(1 << c);
  auto parameters = Options{1, 0, 0, 8, true}.parameters();
  EXPECT_THROW(process("components", parameters, inner, OSTEON_FORM_BITS), Error) << "without a background";
  parameters["background"] = std::vector<std::string>{"c0"};
  const sdk::Prediction got = process("components", parameters, inner, OSTEON_FORM_BITS);
  const int expected[] = {1, 1, 1, 0, 0, 0,  //
                          1, 1, 1, 0, 0, 0,  //
                          1, 1, 1, 0, 0, 2,  //
                          0, 0, 0, 0, 0, 2};
  const auto* bits = sdk::data_of<const std::int32_t>(got.view(), "bits");
  for (int p = 0; p < 24; ++p) EXPECT_EQ(bits[p], 1 << expected[p]) << p;
  const sdk::Prediction one = process("components", parameters, inner, OSTEON_FORM_BITS, {}, {2});
  for (int p = 0; p < 24; ++p)
    EXPECT_EQ(sdk::data_of<const std::int32_t>(one.view(), "bits")[p], expected[p] == 2 ? 1 : 0) << p;
}

TEST(Components, StopWhenTheyAreTold) {
  const auto parameters = Options{2, 3, 0, 8, true}.parameters();
  const StoredPlanes<std::int32_t> small = random_bits(3, 20, 30, 7), large = random_bits(1, 2048, 2048, 8);
  expect_to_stop_at_every_look<Interrupted>(
      [&](const osteon_call* call) { process(call, "components", parameters, small, OSTEON_FORM_BITS); });
  if (!kTimesCount) GTEST_SKIP() << "a build whose times say nothing";
  const std::vector<float> image(2048 * 2048, 0.5f);
  EXPECT_LT(longest_gap([&](const osteon_call* call) {
              process(call, "components", parameters, large, OSTEON_FORM_BITS, image);
            }),
            kLongestGap);
}

TEST(Components, RefuseWhatDoesNotGoTogether) {
  const StoredPlanes<std::int32_t> inner = random_bits(2, 4, 4, 3);
  EXPECT_THROW(process("components", Options{1, 0, 0, 6, false}.parameters(), inner, OSTEON_FORM_BITS), Error);
  EXPECT_THROW(process("components", Options{1, 0, 5, 8, false}.parameters(), inner, OSTEON_FORM_BITS), Error);
  auto parameters = Options{}.parameters();
  parameters["background"] = std::vector<std::string>{"c1"};
  EXPECT_THROW(process("components", parameters, inner, OSTEON_FORM_BITS), Error) << "labels may overlap";
}

}  // namespace
}  // namespace osteon::test
