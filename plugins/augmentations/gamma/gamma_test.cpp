// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>

#include "support/photometric.hpp"

namespace osteon::test {
namespace {

Photometric gamma_of(double least, double most) {
  return Photometric("gamma", {{"gamma_limit", std::vector<double>{least, most}}});
}

TEST(Gamma, RaisesEachIntensityToThePower) {
  for (const double percent : {40.0, 100.0, 180.0}) {
    const Photometric gamma = gamma_of(percent, percent);
    const auto bytes = speckled<std::uint8_t>(20, 30, 3);
    const auto byte_results = gamma.apply(bytes);
    for (std::size_t i = 0; i < bytes.pixels.size(); ++i)
      ASSERT_EQ(byte_results.pixels[i], std::lround(255 * std::pow(bytes.pixels[i] / 255.0, percent / 100)));
    const auto words = speckled<std::uint16_t>(20, 30);
    const auto word_results = gamma.apply(words);
    for (std::size_t i = 0; i < words.pixels.size(); ++i)
      ASSERT_EQ(word_results.pixels[i], std::lround(65535 * std::pow(words.pixels[i] / 65535.0, percent / 100)));
    auto floats = speckled<float>(20, 30);
    floats.at(0, 0) = 0;
    floats.at(0, 1) = 1e-30f;
    floats.at(0, 2) = 1;
    const auto float_results = gamma.apply(floats);
    for (std::size_t i = 0; i < floats.pixels.size(); ++i)
      ASSERT_NEAR(float_results.pixels[i], std::pow(double{floats.pixels[i]}, percent / 100), 1e-6);
    EXPECT_EQ(float_results.at(0, 0), 0);
    EXPECT_EQ(float_results.at(0, 2), 1);
  }
}

TEST(Gamma, IsDrawnWithinItsLimitsAndComesNearBothEnds) {
  const Photometric gamma = gamma_of(50, 200);
  Picture<float> half(1, 1);
  half.at(0, 0) = 0.5f;
  double least = 1000, most = 0;
  for (std::uint64_t key = 0; key < 300; ++key) {
    const double percent = -100 * std::log2(double{gamma.apply(half, key).at(0, 0)});
    least = std::min(least, percent);
    most = std::max(most, percent);
  }
  EXPECT_GE(least, 50 - 1e-3);
  EXPECT_LT(least, 52);
  EXPECT_LE(most, 200 + 1e-3);
  EXPECT_GT(most, 198);
}

TEST(Gamma, StopsWhenItIsToldTo) {
  EXPECT_TRUE(gamma_of(50, 200).stops(speckled<std::uint16_t>(8, 8)));
  EXPECT_TRUE(gamma_of(50, 200).stops(speckled<float>(8, 8)));
}

}  // namespace
}  // namespace osteon::test
