// SPDX-License-Identifier: Apache-2.0
#include <osteon/sdk/opencv.hpp>

#include <vector>

#include <gtest/gtest.h>

namespace osteon::sdk {
namespace {

TEST(AsMat, LiesOverTheSameMemory) {
  std::vector<float> values(24);
  const BorrowedTensor view(values.data(), {4, 2, 3});
  const cv::Mat image = as_mat(view.view());
  EXPECT_EQ(image.type(), CV_32FC3);
  EXPECT_EQ(image.size(), cv::Size(2, 4));
  cv::Mat(image).at<cv::Vec3f>(3, 1)[2] = 7;
  EXPECT_EQ(values[23], 7);
  const cv::Mat second = plane_mat(view.view(), 1);
  EXPECT_EQ(second.size(), cv::Size(3, 2));
  EXPECT_EQ(second.ptr<float>(), values.data() + 6);
}

TEST(AsMat, KnowsTheElementTypesThatOpenCVHas) {
  std::vector<std::uint16_t> words(6);
  EXPECT_EQ(as_mat(BorrowedTensor(words.data(), {2, 3}).view()).type(), CV_16UC1);
  std::vector<std::int32_t> bits(6);
  EXPECT_EQ(plane_mat(BorrowedTensor(bits.data(), {1, 2, 3}).view(), 0).type(), CV_32SC1);
  std::vector<std::int64_t> longs(6);
  EXPECT_THROW(as_mat(BorrowedTensor(longs.data(), {2, 3}).view()), Unsupported);
  EXPECT_THROW(as_mat(BorrowedTensor(words.data(), {6}).view()), InvalidArgument);
  EXPECT_THROW(plane_mat(BorrowedTensor(bits.data(), {1, 2, 3}).view(), 1), InvalidArgument);
}

TEST(AsMat, IsOfPixelsAndOfImages) {
  std::vector<std::uint8_t> bytes(12, 5);
  const BorrowedTensor view(bytes.data(), {2, 2, 3});
  auto raw = sized<osteon_pixels>();
  raw.image = view;
  raw.maximum = 255;
  as_mat(Pixels(raw)).setTo(9);
  EXPECT_EQ(bytes[11], 9);
  std::vector<float> grey(4, 0.5f);
  const BorrowedTensor pixels(grey.data(), {2, 2, 1});
  auto image = sized<osteon_image>();
  image.pixels = pixels.view();
  EXPECT_EQ(as_mat(image).at<float>(1, 1), 0.5f);
}

}  // namespace
}  // namespace osteon::sdk
