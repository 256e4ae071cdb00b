// SPDX-License-Identifier: Apache-2.0
#include "metrics/confusion.hpp"

#include <random>

#include <gtest/gtest.h>

#include "base/error.hpp"

namespace osteon::metrics {
namespace {

using data::Labels;

Labels random_labels(std::mt19937& random, int classes, cv::Size size) {
  Labels labels(classes, size);
  for (int c = 0; c < classes; ++c) {
    cv::Mat mask(size, CV_8UC1);
    for (int y = 0; y < size.height; ++y)
      for (int x = 0; x < size.width; ++x) mask.at<std::uint8_t>(y, x) = random() % 4 == 0;
    labels.add(c, mask);
  }
  return labels;
}

TEST(Confusion, CountsLikeALoopOverPixels) {
  std::mt19937 random(5);
  for (const cv::Size size : {cv::Size(1, 1), cv::Size(127, 3), cv::Size(128, 3), cv::Size(300, 17)}) {
    for (const int classes : {1, 29, 32, 33, 64}) {
      for (const bool with_valid : {false, true}) {
        const Labels prediction = random_labels(random, classes, size);
        Labels truth = random_labels(random, classes, size);
        if (with_valid) {
          truth.valid().create(size, CV_8UC1);
          for (int y = 0; y < size.height; ++y)
            for (int x = 0; x < size.width; ++x) truth.valid().at<std::uint8_t>(y, x) = random() % 2;
        }
        const auto counts = count_confusion(prediction, truth);
        ASSERT_EQ(counts.size(), static_cast<std::size_t>(classes));
        for (int c = 0; c < classes; ++c) {
          const cv::Mat p = prediction.mask(c), t = truth.mask(c);
          ClassCounts expected;
          for (int y = 0; y < size.height; ++y)
            for (int x = 0; x < size.width; ++x) {
              if (with_valid && truth.valid().at<std::uint8_t>(y, x) == 0) continue;
              const bool in_p = p.at<std::uint8_t>(y, x) != 0, in_t = t.at<std::uint8_t>(y, x) != 0;
              expected.predicted += in_p;
              expected.truth += in_t;
              expected.intersection += in_p && in_t;
            }
          const ClassCounts& found = counts[static_cast<std::size_t>(c)];
          ASSERT_EQ(found.intersection, expected.intersection) << size << " class " << c;
          ASSERT_EQ(found.predicted, expected.predicted) << size << " class " << c;
          ASSERT_EQ(found.truth, expected.truth) << size << " class " << c;
        }
      }
    }
  }
}

TEST(Confusion, CountsNothingOfAClassThatIsUnknown) {
  std::mt19937 random(6);
  const Labels prediction = random_labels(random, 40, {50, 20});
  Labels truth = random_labels(random, 40, {50, 20});
  const auto before = count_confusion(prediction, truth);
  std::vector<std::uint8_t> known(40, 1);
  known[1] = known[35] = 0;
  truth.set_class_valid(known);
  const auto counts = count_confusion(prediction, truth);
  for (std::size_t c = 0; c < 40; ++c) {
    EXPECT_TRUE(before[c].known);
    EXPECT_EQ(counts[c].known, known[c] != 0);
    EXPECT_EQ(counts[c].truth, known[c] != 0 ? before[c].truth : 0);
  }
}

TEST(Confusion, KnowsNothingWhereNoPixelCounts) {
  std::mt19937 random(7);
  const Labels prediction = random_labels(random, 2, {9, 5});
  Labels truth = random_labels(random, 2, {9, 5});
  truth.valid() = cv::Mat::zeros(5, 9, CV_8UC1);
  for (const ClassCounts& counts : count_confusion(prediction, truth)) EXPECT_FALSE(counts.known);
  truth.valid().at<std::uint8_t>(4, 8) = 1;
  for (const ClassCounts& counts : count_confusion(prediction, truth)) EXPECT_TRUE(counts.known);
}

TEST(Confusion, RefusesLabelsThatDoNotFit) {
  EXPECT_THROW(count_confusion(Labels(2, {4, 4}), Labels(3, {4, 4})), Error);
  EXPECT_THROW(count_confusion(Labels(2, {4, 4}), Labels(2, {4, 5})), Error);
}

TEST(Dice, FollowsTheCompetition) {
  EXPECT_DOUBLE_EQ(dice({0, 0, 0}), 1.0);
  EXPECT_DOUBLE_EQ(dice({10, 10, 10}), 1.0);
  EXPECT_DOUBLE_EQ(dice({5, 10, 10}), (2 * 5 + 1e-4) / (20 + 1e-4));
  EXPECT_DOUBLE_EQ(dice({0, 1, 0}), 1e-4 / (1 + 1e-4));
}

TEST(Iou, IsOneWhereBothAreEmpty) {
  EXPECT_DOUBLE_EQ(iou({0, 0, 0}), 1.0);
  EXPECT_DOUBLE_EQ(iou({5, 10, 10}), 5.0 / 15.0);
  EXPECT_DOUBLE_EQ(iou({0, 1, 0}), 0.0);
}

}  // namespace
}  // namespace osteon::metrics
