// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include <gtest/gtest.h>
#include <opencv2/imgproc.hpp>

#include "support/photometric.hpp"

namespace osteon::test {
namespace {

Photometric blur_of(std::int64_t least, std::int64_t most, double sigma, double most_sigma) {
  return Photometric("gaussian_blur", {{"blur_limit", std::vector<std::int64_t>{least, most}},
                                       {"sigma_limit", std::vector<double>{sigma, most_sigma}}});
}

template <class T>
void expect_as_opencv_does(int channels, int size, double sigma) {
  Picture<T> in = speckled<T>(41, 30, channels);
  const cv::Mat image(41, 30, CV_MAKETYPE(cv::DataType<T>::depth, channels), in.pixels.data());
  cv::Mat wanted;
  cv::GaussianBlur(image, wanted, {size, size}, sigma, sigma, cv::BORDER_REFLECT_101);
  if (wanted.depth() == CV_32F) wanted = cv::min(wanted, 1.0);
  const Picture<T> out = blur_of(size, size, sigma, sigma).apply(in);
  EXPECT_TRUE(std::equal(out.pixels.begin(), out.pixels.end(), wanted.ptr<T>()));
  EXPECT_NE(out.pixels, in.pixels);
}

TEST(GaussianBlur, GivesTheBytesOfOpenCV) {
  for (const int channels : {1, 3})
    for (const auto& [size, sigma] : {std::pair<int, double>{3, 0}, {5, 0.7}, {7, 2}, {99, 20}}) {
      expect_as_opencv_does<std::uint8_t>(channels, size, sigma);
      expect_as_opencv_does<std::uint16_t>(channels, size, sigma);
      expect_as_opencv_does<float>(channels, size, sigma);
    }
}

// One dot, blurred: its row tells the size of the kernel, and the ratio of two neighbours the standard deviation.
TEST(GaussianBlur, DrawsEachOddSizeAndComesNearBothEndsOfSigma) {
  const Photometric blur = blur_of(3, 7, 1, 2);
  Picture<float> dot(15, 15);
  dot.at(7, 7) = 1;
  std::map<int, int> sizes;
  double least = 10, most = 0;
  for (std::uint64_t key = 0; key < 600; ++key) {
    Picture<float> out = blur.apply(dot, key);
    int size = 0;
    for (int x = 0; x < 15; ++x) size += out.at(7, x) > 0 ? 1 : 0;
    ++sizes[size];
    const double sigma = std::sqrt(0.5 / std::log(double{out.at(7, 7)} / double{out.at(7, 8)}));
    least = std::min(least, sigma);
    most = std::max(most, sigma);
  }
  ASSERT_EQ(sizes.size(), 3u);
  for (const int size : {3, 5, 7}) EXPECT_NEAR(sizes[size], 200, 60) << size;  // 5 standard deviations
  EXPECT_GE(least, 1 - 1e-3);
  EXPECT_LT(least, 1.02);
  EXPECT_LE(most, 2 + 1e-3);
  EXPECT_GT(most, 1.98);
}

TEST(GaussianBlur, GivesTheSameOnAnyNumberOfThreads) {
  const auto image = speckled<std::uint8_t>(200, 300, 3);
  const int before = cv::getNumThreads();
  cv::setNumThreads(4);
  EXPECT_EQ(blur_of(3, 7, 0, 2).apply_on(1, image).pixels, blur_of(3, 7, 0, 2).apply_on(4, image).pixels);
  cv::setNumThreads(before);
}

TEST(GaussianBlur, RefusesEvenSizes) {
  EXPECT_THROW(blur_of(3, 8, 0, 0), Error);
  EXPECT_THROW(blur_of(4, 7, 0, 0), Error);
}

TEST(GaussianBlur, StopsWhenItIsToldTo) { EXPECT_TRUE(blur_of(3, 7, 0, 0).stops(speckled<float>(8, 8))); }

}  // namespace
}  // namespace osteon::test
