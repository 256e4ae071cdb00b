// SPDX-License-Identifier: Apache-2.0
#include "data/label_ops.hpp"

#include <cmath>
#include <random>

#include <gtest/gtest.h>
#include <opencv2/imgproc.hpp>

#include "unit/data/files.hpp"

namespace osteon::data {
namespace {

using tests::error_of;

/// Every word pattern, those that would be NaNs as floats among them, and some invalid pixels.
Labels random_labels(int classes, cv::Size size, unsigned seed, bool with_valid = false) {
  std::mt19937 random(seed);
  Labels labels(classes, size);
  for (std::size_t p = 0; p < labels.planes().size(); ++p) {
    const int bits = std::min(32, classes - 32 * static_cast<int>(p));
    for (int y = 0; y < size.height; ++y)
      for (int x = 0; x < size.width; ++x) labels.planes()[p].at<int>(y, x) = static_cast<int>(random() >> (32 - bits));
  }
  labels.planes()[0].at<int>(0, 0) = 0x7fc12345;  // a quiet NaN
  labels.planes()[0].at<int>(0, 1) = 0x7f812345;  // a signalling NaN
  if (with_valid) {
    labels.valid().create(size, CV_8UC1);
    for (int y = 0; y < size.height; ++y)
      for (int x = 0; x < size.width; ++x) labels.valid().at<std::uint8_t>(y, x) = random() % 2;
  }
  return labels;
}

int word(const Labels& labels, std::size_t plane, int x, int y) { return labels.planes()[plane].at<int>(y, x); }

TEST(LabelOps, ResizesToTheNearestPixelCentreBitForBit) {
  const Labels labels = random_labels(40, {37, 23}, 1, true);
  for (const cv::Size size : {cv::Size(37, 23), cv::Size(12, 50), cv::Size(111, 69), cv::Size(1, 1), cv::Size(5, 7)}) {
    const Labels resized = resize_nearest(labels, size);
    ASSERT_EQ(resized.size(), size);
    for (int y = 0; y < size.height; ++y)
      for (int x = 0; x < size.width; ++x) {
        const int sx = static_cast<int>(std::floor((x + 0.5) * 37 / size.width));
        const int sy = static_cast<int>(std::floor((y + 0.5) * 23 / size.height));
        ASSERT_EQ(word(resized, 0, x, y), word(labels, 0, sx, sy));
        ASSERT_EQ(word(resized, 1, x, y), word(labels, 1, sx, sy));
        ASSERT_EQ(resized.valid().at<std::uint8_t>(y, x), labels.valid().at<std::uint8_t>(sy, sx));
      }
  }
}

TEST(LabelOps, EnlargedByAWholeFactorEachPixelBecomesASquare) {
  const Labels labels = random_labels(32, {9, 5}, 3);
  const Labels resized = resize_nearest(labels, {27, 15});
  for (int y = 0; y < 15; ++y)
    for (int x = 0; x < 27; ++x) ASSERT_EQ(word(resized, 0, x, y), word(labels, 0, x / 3, y / 3));
}

TEST(LabelOps, KeepsWhichClassesAreKnown) {
  Labels labels = random_labels(34, {10, 6}, 6, true);
  std::vector<std::uint8_t> known(34, 1);
  known[0] = known[33] = 0;
  labels.set_class_valid(known);
  EXPECT_EQ(clone(labels).class_valid(), known);
  EXPECT_EQ(crop(labels, {2, 3, 4, 2}).class_valid(), known);
  EXPECT_EQ(resize_nearest(labels, {5, 7}).class_valid(), known);
  const Labels some = select_classes(labels, {33, 5, -1});
  EXPECT_EQ(some.class_valid(), (std::vector<std::uint8_t>{0, 1, 1}));
  EXPECT_TRUE(select_classes(labels, {4, 5}).class_valid().empty()) << "all of these are known";
  Labels other = clone(labels);
  EXPECT_TRUE(equal(labels, other));
  other.set_class_valid({});
  EXPECT_FALSE(equal(labels, other));
}

TEST(LabelOps, LeavesPixelsWithoutAClassOut) {
  Labels labels(33, {3, 1});
  labels.add(32, (cv::Mat_<std::uint8_t>(1, 3) << 0, 1, 0));
  labels.add(0, (cv::Mat_<std::uint8_t>(1, 3) << 0, 0, 1));
  labels.valid() = (cv::Mat_<std::uint8_t>(1, 3) << 1, 0, 1);
  leave_out_unlabelled(labels);
  EXPECT_EQ(cv::countNonZero(labels.valid() != (cv::Mat_<std::uint8_t>(1, 3) << 0, 0, 1)), 0);
  Labels complete(1, {2, 1});
  complete.add(0, cv::Mat::ones(1, 2, CV_8U));
  leave_out_unlabelled(complete);
  EXPECT_EQ(cv::countNonZero(complete.valid()), 2);
}

TEST(LabelOps, CropsDeeply) {
  const Labels labels = random_labels(33, {10, 8}, 5, true);
  Labels part = crop(labels, {2, 3, 4, 5});
  ASSERT_EQ(part.size(), cv::Size(4, 5));
  for (int y = 0; y < 5; ++y)
    for (int x = 0; x < 4; ++x) EXPECT_EQ(word(part, 1, x, y), word(labels, 1, x + 2, y + 3));
  const int before = word(labels, 0, 2, 3);
  part.planes()[0].at<int>(0, 0) ^= 1;
  EXPECT_EQ(word(labels, 0, 2, 3), before);
  EXPECT_THROW(crop(labels, {8, 0, 3, 3}), Error);
  EXPECT_THROW(crop(labels, {-1, 0, 3, 3}), Error);
}

TEST(LabelOps, ComparesBitsAndValidPixels) {
  const Labels labels = random_labels(29, {10, 8}, 6);
  Labels other = clone(labels);
  EXPECT_TRUE(equal(labels, other));
  other.valid() = cv::Mat::ones(8, 10, CV_8UC1);
  EXPECT_TRUE(equal(labels, other)) << "all valid is the same as no plane";
  other.valid().at<std::uint8_t>(7, 9) = 0;
  EXPECT_FALSE(equal(labels, other));
  other.valid() = cv::Mat();
  other.planes()[0].at<int>(7, 9) ^= 1 << 28;
  EXPECT_FALSE(equal(labels, other));
}

TEST(LabelOps, GoesToIndicesAndBackWithIgnoredPixels) {
  const cv::Mat index = (cv::Mat_<std::uint8_t>(2, 3) << 0, 39, 255, 31, 32, 33);
  const Labels labels = from_index(index, 40, 255);
  EXPECT_EQ(labels.mask(39).at<std::uint8_t>(0, 1), 255);
  EXPECT_EQ(labels.mask(32).at<std::uint8_t>(1, 1), 255);
  EXPECT_EQ(labels.valid().at<std::uint8_t>(0, 2), 0);
  EXPECT_EQ(cv::countNonZero(labels.valid()), 5);
  EXPECT_EQ(cv::countNonZero(to_index(labels, 255) != index), 0);
}

TEST(LabelOps, UsesSixteenBitsForMoreThan256Values) {
  const cv::Mat index = (cv::Mat_<std::uint16_t>(1, 3) << 0, 299, 65535);
  const Labels labels = from_index(index, 300, 65535);
  const cv::Mat back = to_index(labels, 65535);
  ASSERT_EQ(back.type(), CV_16UC1);
  EXPECT_EQ(cv::countNonZero(back != index), 0);
}

TEST(LabelOps, NamesTheValueAndThePixelThatIsNoClass) {
  const cv::Mat index = (cv::Mat_<std::uint8_t>(2, 2) << 0, 1, 2, 7);
  const std::string message = error_of([&] { from_index(index, 3, 255); }).what();
  EXPECT_NE(message.find("(1, 1)"), std::string::npos) << message;
  EXPECT_NE(message.find("7"), std::string::npos) << message;
}

TEST(LabelOps, NamesThePixelWithoutExactlyOneClass) {
  Labels labels = from_index((cv::Mat_<std::uint8_t>(1, 3) << 0, 1, 1), 2, -1);
  check_one_class_per_pixel(labels);
  labels.add(0, (cv::Mat_<std::uint8_t>(1, 3) << 0, 0, 1));
  std::string message = error_of([&] { check_one_class_per_pixel(labels); }).what();
  EXPECT_NE(message.find("(2, 0) has 2 classes"), std::string::npos) << message;
  labels.planes()[0].at<int>(0, 2) = 0;
  EXPECT_THROW(to_index(labels, 255), Error);
  labels.valid() = (cv::Mat_<std::uint8_t>(1, 3) << 1, 1, 0);
  check_one_class_per_pixel(labels);
}

TEST(LabelOps, AddsARegion) {
  Labels labels(33, {8, 8});
  add_region(labels, 32, cv::Mat::ones(2, 3, CV_8UC1), {5, 6});
  EXPECT_EQ(cv::boundingRect(labels.mask(32)), cv::Rect(5, 6, 3, 2));
  EXPECT_THROW(add_region(labels, 32, cv::Mat::ones(2, 3, CV_8UC1), {6, 6}), Error);
}

}  // namespace
}  // namespace osteon::data
