// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>

#include "support/photometric.hpp"

namespace osteon::test {
namespace {

// An interval of one value leaves nothing to chance, so the formula can be checked.
Photometric fixed(double brightness, double contrast, bool by_max = true) {
  return Photometric("random_brightness_contrast", {{"brightness", std::vector<double>{brightness, brightness}},
                                                    {"contrast", std::vector<double>{contrast, contrast}},
                                                    {"brightness_by_max", std::vector<bool>{by_max}}});
}

template <class T>
Picture<T> row_of(const std::vector<T>& pixels) {
  Picture<T> row(1, static_cast<std::int64_t>(pixels.size()));
  row.pixels = pixels;
  return row;
}

// albumentations 1.4.18: out = in (1 + contrast) + brightness max, clipped.
double expected(double in, double maximum, double brightness, double contrast) {
  return std::clamp(in * (1 + contrast) + brightness * maximum, 0.0, maximum);
}

TEST(RandomBrightnessContrast, FollowsTheFormulaOnBytes) {
  Picture<std::uint8_t> in(1, 256);
  for (int i = 0; i < 256; ++i) in.at(0, i) = static_cast<std::uint8_t>(i);
  const auto out = fixed(0.1, -0.3).apply(in);
  for (std::size_t i = 0; i < 256; ++i)
    EXPECT_EQ(out.pixels[i], std::lround(expected(in.pixels[i], 255, 0.1, -0.3))) << i;
}

TEST(RandomBrightnessContrast, FollowsTheFormulaOnWords) {
  Picture<std::uint16_t> in(8, 8192);
  for (std::size_t i = 0; i < in.pixels.size(); ++i) in.pixels[i] = static_cast<std::uint16_t>(i);
  const auto out = fixed(-0.2, 0.5).apply(in);
  for (std::size_t i = 0; i < in.pixels.size(); ++i)
    ASSERT_EQ(out.pixels[i], std::lround(expected(in.pixels[i], 65535, -0.2, 0.5))) << i;
}

TEST(RandomBrightnessContrast, FollowsTheFormulaOnFloats) {
  const Picture<float> in = row_of<float>({0, 0.125f, 0.5f, 0.9f, 1});
  const auto out = fixed(0.15, 0.2).apply(in);
  for (std::size_t i = 0; i < in.pixels.size(); ++i)
    EXPECT_NEAR(out.pixels[i], expected(in.pixels[i], 1, 0.15, 0.2), 1e-6) << i;
}

TEST(RandomBrightnessContrast, CanShiftByAShareOfTheMean) {
  const auto bytes = fixed(0.5, 0, false).apply(row_of<std::uint8_t>({0, 100, 200, 100}));
  EXPECT_EQ(bytes.pixels, (std::vector<std::uint8_t>{50, 150, 250, 150}));
  const auto words = fixed(-0.5, 0, false).apply(row_of<std::uint16_t>({2000, 2000, 4000, 0}));
  EXPECT_EQ(words.pixels, (std::vector<std::uint16_t>{1000, 1000, 3000, 0}));
  const auto floats = fixed(0.5, 0, false).apply(row_of<float>({0, 0.5f}));
  EXPECT_EQ(floats.pixels, (std::vector<float>{0.125f, 0.625f}));
}

// More than one piece of work, the last of which is not whole.
TEST(RandomBrightnessContrast, ChangesEachPixelOfALargeImageOnce) {
  const auto out = fixed(0.1, 0).apply(Picture<std::uint16_t>(500, 401, 3));
  EXPECT_EQ(std::count(out.pixels.begin(), out.pixels.end(), 6554), 500 * 401 * 3);
}

TEST(RandomBrightnessContrast, AnswersToTheNamesOfAlbumentations) {
  const Photometric plugin = fixed(0, 0);
  EXPECT_EQ(plugin.schema().parameters.at(0).aliases, (std::vector<std::string>{"brightness_limit"}));
  EXPECT_EQ(plugin.schema().parameters.at(1).aliases, (std::vector<std::string>{"contrast_limit"}));
}

TEST(RandomBrightnessContrast, StopsWhenItIsToldTo) {
  EXPECT_TRUE(fixed(0.1, 0).stops(speckled<float>(8, 8)));
  EXPECT_TRUE(fixed(0.1, 0, false).stops(speckled<std::uint8_t>(8, 8)));
}

}  // namespace
}  // namespace osteon::test
