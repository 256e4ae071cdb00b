// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <set>

#include <gtest/gtest.h>
#include <opencv2/imgproc.hpp>

#include "support/photometric.hpp"

namespace osteon::test {
namespace {

Photometric clahe_of(double least, double most, std::int64_t across = 8, std::int64_t down = 8) {
  return Photometric("clahe", {{"clip_limit", std::vector<double>{least, most}},
                               {"tile_grid_size", std::vector<std::int64_t>{across, down}}});
}

// Dark in one corner and bright in the other, with little contrast anywhere: what CLAHE is for.
template <class T>
Picture<T> ramp(std::int64_t channels) {
  Picture<T> picture = speckled<T>(90, 130, channels);
  for (std::int64_t y = 0; y < 90; ++y)
    for (std::int64_t x = 0; x < 130; ++x)
      for (std::int64_t c = 0; c < channels; ++c)
        picture.at(y, x, c) = static_cast<T>(0.2 * picture.at(y, x, c) +
                                             Picture<T>::maximum() * 0.8 * static_cast<double>(x + y + 9 * c) / 240);
  return picture;
}

template <class T>
cv::Mat mat(Picture<T>& picture) {
  return cv::Mat(static_cast<int>(picture.height), static_cast<int>(picture.width),
                 CV_MAKETYPE(cv::DataType<T>::depth, static_cast<int>(picture.channels)), picture.pixels.data());
}

template <class T>
void expect_bytes(const Picture<T>& out, const cv::Mat& wanted) {
  ASSERT_EQ(out.pixels.size(), wanted.total() * static_cast<std::size_t>(wanted.channels()));
  EXPECT_TRUE(std::equal(out.pixels.begin(), out.pixels.end(), wanted.ptr<T>()));
}

TEST(Clahe, OfAGreyImageGivesTheBytesOfOpenCV) {
  auto bytes = ramp<std::uint8_t>(1);
  for (const double limit : {1.0, 2.5, 40.0}) {
    cv::Mat wanted;
    cv::createCLAHE(limit, {5, 3})->apply(mat(bytes), wanted);
    expect_bytes(clahe_of(limit, limit, 5, 3).apply(bytes), wanted);
  }
}

TEST(Clahe, OfAColourImageEqualisesLightnessAlone) {
  auto bytes = ramp<std::uint8_t>(3);
  cv::Mat lab, wanted;
  cv::cvtColor(mat(bytes), lab, cv::COLOR_RGB2Lab);
  std::vector<cv::Mat> planes;
  cv::split(lab, planes);
  cv::createCLAHE(3, {8, 8})->apply(planes[0], planes[0]);
  cv::merge(planes, lab);
  cv::cvtColor(lab, wanted, cv::COLOR_Lab2RGB);
  expect_bytes(clahe_of(3, 3).apply(bytes), wanted);
}

TEST(Clahe, OfOtherTypesGoesThroughBytes) {
  for (const int channels : {1, 3}) {
    auto bytes = ramp<std::uint8_t>(channels);
    Picture<float> floats(90, 130, channels);
    Picture<std::uint16_t> words(90, 130, channels);
    for (std::size_t i = 0; i < bytes.pixels.size(); ++i) {
      floats.pixels[i] = static_cast<float>(bytes.pixels[i]) / 255;
      words.pixels[i] = static_cast<std::uint16_t>(257 * bytes.pixels[i]);
    }
    const auto wanted = clahe_of(2, 2).apply(bytes);
    floats = clahe_of(2, 2).apply(floats);
    words = clahe_of(2, 2).apply(words);
    for (std::size_t i = 0; i < wanted.pixels.size(); ++i) {
      ASSERT_NEAR(floats.pixels[i] * 255, wanted.pixels[i], 1e-4) << i;
      ASSERT_EQ(words.pixels[i], 257 * wanted.pixels[i]) << i;
    }
  }
}

TEST(Clahe, DrawsItsLimitBetweenBothEnds) {
  const auto image = ramp<std::uint8_t>(1);
  const auto least = clahe_of(1, 1, 2, 2).apply(image), most = clahe_of(6, 6, 2, 2).apply(image);
  const Photometric clahe = clahe_of(1, 6, 2, 2);
  std::set<std::vector<std::uint8_t>> results;
  const auto distance = [](const Picture<std::uint8_t>& a, const Picture<std::uint8_t>& b) {
    double sum = 0;
    for (std::size_t i = 0; i < a.pixels.size(); ++i) sum += std::abs(int{a.pixels[i]} - int{b.pixels[i]});
    return sum / static_cast<double>(a.pixels.size());
  };
  double from_least = 255, from_most = 255;
  for (std::uint64_t key = 0; key < 60; ++key) {
    const auto out = clahe.apply(image, key);
    EXPECT_EQ(out.pixels, clahe.apply(image, key).pixels);
    results.insert(out.pixels);
    from_least = std::min(from_least, distance(out, least));
    from_most = std::min(from_most, distance(out, most));
  }
  EXPECT_GT(results.size(), 40u);
  EXPECT_LT(from_least, 1);
  EXPECT_LT(from_most, 1);
}

TEST(Clahe, GivesTheSameOnAnyNumberOfThreads) {
  const auto image = ramp<std::uint8_t>(3);
  const int before = cv::getNumThreads();
  cv::setNumThreads(4);
  EXPECT_EQ(clahe_of(1, 4).apply_on(1, image).pixels, clahe_of(1, 4).apply_on(4, image).pixels);
  cv::setNumThreads(before);
}

TEST(Clahe, StopsWhenItIsToldTo) { EXPECT_TRUE(clahe_of(1, 4).stops(speckled<std::uint8_t>(16, 16))); }

}  // namespace
}  // namespace osteon::test
