// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>
#include <osteon/sdk/random.hpp>

#include "normals.hpp"
#include "support/photometric.hpp"

namespace osteon::test {
namespace {

Photometric noise_of(double least, double most, double mean = 0, bool per_channel = true) {
  return Photometric("gaussian_noise", {{"var_limit", std::vector<double>{least, most}},
                                        {"mean", std::vector<double>{mean}},
                                        {"per_channel", std::vector<bool>{per_channel}}});
}

Picture<float> grey(std::int64_t height, std::int64_t width, std::int64_t channels = 1) {
  Picture<float> picture(height, width, channels);
  std::fill(picture.pixels.begin(), picture.pixels.end(), 0.5f);
  return picture;
}

// One number at a time, by the SDK's generator and the functions of the standard library.
TEST(Normals, AreThoseOfBoxAndMullerOverPhilox) {
  const std::array<std::uint32_t, 2> key = {7, 11};
  float got[augmentations::kNormals];
  for (const std::uint64_t group : {std::uint64_t{0}, std::uint64_t{5}, std::uint64_t{1} << 40}) {
    augmentations::normals(key, group, got);
    for (std::size_t lane = 0; lane < 64; ++lane) {
      const std::uint64_t block = group * 64 + lane;
      const auto words =
          sdk::philox({static_cast<std::uint32_t>(block), static_cast<std::uint32_t>(block >> 32), 0, 0}, key);
      for (std::size_t pair = 0; pair < 2; ++pair) {
        const double radius = std::sqrt(-2 * std::log(((words[2 * pair] >> 8) + 1) / 16777216.0));
        const double angle = 2 * M_PI * (words[2 * pair + 1] >> 8) / 16777216.0;
        ASSERT_NEAR(got[128 * pair + lane], radius * std::sin(angle), 2e-6);
        ASSERT_NEAR(got[128 * pair + 64 + lane], radius * std::cos(angle), 2e-6);
      }
    }
  }
}

TEST(GaussianNoise, HasItsMeanAndVarianceInUnitsOfBytes) {
  const auto out = noise_of(36, 36, 10).apply(grey(200, 200, 3));
  double sum = 0, squares = 0, cubes = 0;
  for (const float pixel : out.pixels) {
    const double noise = (double{pixel} - 0.5) * 255 - 10;
    sum += noise;
    squares += noise * noise;
    cubes += noise * noise * noise;
  }
  const double n = static_cast<double>(out.pixels.size());
  EXPECT_NEAR(sum / n, 0, 5 * 6 / std::sqrt(n));
  EXPECT_NEAR(squares / n, 36, 5 * 36 * std::sqrt(2 / n));
  EXPECT_NEAR(cubes / n, 0, 5 * 216 * std::sqrt(15 / n));
}

TEST(GaussianNoise, IsTheSameInAllTypesOfPixels) {
  const auto floats = noise_of(20, 20).apply(grey(30, 41, 3));
  Picture<std::uint8_t> bytes(30, 41, 3);
  Picture<std::uint16_t> words(30, 41, 3);
  std::fill(bytes.pixels.begin(), bytes.pixels.end(), std::uint8_t{100});
  std::fill(words.pixels.begin(), words.pixels.end(), std::uint16_t{30000});
  bytes = noise_of(20, 20).apply(bytes);
  words = noise_of(20, 20).apply(words);
  for (std::size_t i = 0; i < floats.pixels.size(); ++i) {
    const double noise = double{floats.pixels[i]} - 0.5;
    ASSERT_NEAR(bytes.pixels[i], 100 + 255 * noise, 0.501);
    ASSERT_NEAR(words.pixels[i], 30000 + 65535 * noise, 0.6);
  }
}

TEST(GaussianNoise, StaysWithinTheRangeOfIntensities) {
  for (const float level : {0.0f, 1.0f}) {
    auto image = grey(20, 20);
    std::fill(image.pixels.begin(), image.pixels.end(), level);
    const auto out = noise_of(400, 400).apply(image);
    EXPECT_TRUE(std::all_of(out.pixels.begin(), out.pixels.end(), [](float v) { return v >= 0 && v <= 1; }));
    EXPECT_NEAR(static_cast<double>(std::count(out.pixels.begin(), out.pixels.end(), level)), 200, 50);
  }
}

TEST(GaussianNoise, OfAPixelIsTheSameInAllChannelsWhereThatIsAskedFor) {
  auto together = noise_of(50, 50, 0, false).apply(grey(33, 40, 3));
  auto alone = noise_of(50, 50, 0, true).apply(grey(33, 40, 3));
  const auto single = noise_of(50, 50, 0, true).apply(grey(33, 40));
  int differ = 0;
  for (std::int64_t y = 0; y < 33; ++y)
    for (std::int64_t x = 0; x < 40; ++x) {
      for (int c = 0; c < 3; ++c) ASSERT_EQ(together.at(y, x, c), single.pixels[static_cast<std::size_t>(y * 40 + x)]);
      differ += alone.at(y, x, 0) != alone.at(y, x, 1) && alone.at(y, x, 1) != alone.at(y, x, 2) ? 1 : 0;
    }
  EXPECT_GT(differ, 1300);
}

// Pieces of work are of 196608 samples: none of them begins the noise anew.
TEST(GaussianNoise, NeverRepeatsItselfInALargeImage) {
  const auto out = noise_of(50, 50).apply(grey(512, 1024));
  for (const std::size_t apart : {std::size_t{256}, std::size_t{196608}, std::size_t{393216}}) {
    int same = 0;
    for (std::size_t i = 0; i + apart < out.pixels.size() && i < 1000; ++i)
      same += out.pixels[i] == out.pixels[i + apart] ? 1 : 0;
    EXPECT_LT(same, 5) << apart;
  }
}

TEST(GaussianNoise, DrawsItsVarianceBetweenBothEndsFromTheKeyAlone) {
  const Photometric noise = noise_of(10, 50);
  double least = 1000, most = 0;
  for (std::uint64_t key = 0; key < 200; ++key) {
    const auto out = noise.apply(grey(64, 64), key);
    ASSERT_EQ(out.pixels, noise.apply(grey(64, 64), key).pixels);
    double squares = 0;
    for (const float pixel : out.pixels) squares += std::pow((double{pixel} - 0.5) * 255, 2) / 4096;
    least = std::min(least, squares);
    most = std::max(most, squares);
  }
  EXPECT_NEAR(least, 10, 2);
  EXPECT_NEAR(most, 50, 5);
}

TEST(GaussianNoise, StopsWhenItIsToldTo) { EXPECT_TRUE(noise_of(10, 50).stops(speckled<std::uint8_t>(8, 8))); }

}  // namespace
}  // namespace osteon::test
