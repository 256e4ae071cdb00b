// SPDX-License-Identifier: Apache-2.0
#include "data/labels.hpp"

#include <random>

#include <gtest/gtest.h>

#include "base/error.hpp"
#include "data/bit_count.hpp"

namespace osteon::data {
namespace {

cv::Mat random_mask(std::mt19937& random, cv::Size size) {
  cv::Mat mask(size, CV_8UC1);
  for (int y = 0; y < size.height; ++y)
    for (int x = 0; x < size.width; ++x) mask.at<std::uint8_t>(y, x) = random() % 3 == 0 ? random() % 256 : 0;
  return mask;
}

TEST(Labels, HoldsOverlappingClassesBeyondOneWord) {
  std::mt19937 random(1);
  const cv::Size size(131, 7);
  constexpr int kClasses = 70;  // three planes
  Labels labels(kClasses, size);
  ASSERT_EQ(labels.planes().size(), 3u);
  std::vector<cv::Mat> masks;
  for (int c = 0; c < kClasses; ++c) {
    masks.push_back(random_mask(random, size));
    labels.add(c, masks.back());
  }
  const auto areas = labels.areas();
  for (int c = 0; c < kClasses; ++c) {
    EXPECT_EQ(cv::countNonZero(labels.mask(c) != (masks[c] != 0)), 0) << "class " << c;
    EXPECT_EQ(areas[c], cv::countNonZero(masks[c])) << "class " << c;
  }
}

TEST(Labels, AddsToWhatIsThere) {
  Labels labels(32, {4, 1});
  labels.add(31, (cv::Mat_<std::uint8_t>(1, 4) << 1, 0, 0, 0));
  labels.add(31, (cv::Mat_<std::uint8_t>(1, 4) << 0, 0, 0, 7));
  labels.add(0, (cv::Mat_<std::uint8_t>(1, 4) << 255, 255, 0, 0));
  const auto* words = labels.planes()[0].ptr<std::uint32_t>();
  EXPECT_EQ(words[0], 0x80000001u);
  EXPECT_EQ(words[1], 1u);
  EXPECT_EQ(words[2], 0u);
  EXPECT_EQ(words[3], 0x80000000u);
}

TEST(Labels, SaysOfWhichClassesItKnows) {
  Labels labels(3, {2, 2});
  EXPECT_TRUE(labels.knows(2));
  EXPECT_TRUE(labels.class_valid().empty());
  labels.set_class_valid({1, 0, 1});
  EXPECT_TRUE(labels.knows(0));
  EXPECT_FALSE(labels.knows(1));
  EXPECT_THROW(labels.set_class_valid({1, 0}), Error);
  labels.set_class_valid({1, 1, 1});
  EXPECT_TRUE(labels.class_valid().empty()) << "to know all is to have nothing to say";
}

TEST(Labels, RefusesWrongClassesSizesAndTypes) {
  Labels labels(2, {4, 4});
  EXPECT_THROW(labels.add(2, cv::Mat::zeros(4, 4, CV_8UC1)), Error);
  EXPECT_THROW(labels.add(-1, cv::Mat::zeros(4, 4, CV_8UC1)), Error);
  EXPECT_THROW(labels.add(0, cv::Mat::zeros(4, 5, CV_8UC1)), Error);
  EXPECT_THROW(labels.add(0, cv::Mat::zeros(4, 4, CV_32SC1)), Error);
  EXPECT_THROW(labels.mask(2), Error);
  EXPECT_THROW(Labels(0, {4, 4}), Error);
  EXPECT_THROW(Labels(1, {0, 4}), Error);
}

TEST(BitCounter, CountsLikeALoopPastItsSpill) {
  std::mt19937 random(2);
  BitCounter counter;
  std::array<std::int64_t, 32> expected{};
  std::array<std::uint32_t, BitCounter::kBlock> words;
  for (int block = 0; block < 5000; ++block) {  // more than the 4095 blocks that the slices hold
    for (std::uint32_t& word : words) {
      word = block % 2 == 0 ? ~0u : static_cast<std::uint32_t>(random());
      for (int bit = 0; bit < 32; ++bit) expected[bit] += word >> bit & 1u;
    }
    counter.add(words.data());
  }
  EXPECT_EQ(counter.counts(), expected);
  EXPECT_EQ(counter.counts(), expected) << "asking changes nothing";
}

}  // namespace
}  // namespace osteon::data
