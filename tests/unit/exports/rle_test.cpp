// SPDX-License-Identifier: Apache-2.0
#include "exports/rle.hpp"

#include <random>

#include <gtest/gtest.h>

#include "data/label_ops.hpp"
#include "unit/data/files.hpp"

namespace osteon::exports {
namespace {

using data::Labels;

Labels labels_of(const cv::Mat& mask) {
  Labels labels(1, mask.size());
  labels.add(0, mask);
  return labels;
}

/// The competition's own way: flatten by rows, find where the value changes.
std::string reference(const cv::Mat& mask) {
  std::string text;
  const int total = mask.rows * mask.cols;
  const auto at = [&](int i) { return mask.at<std::uint8_t>(i / mask.cols, i % mask.cols) != 0; };
  for (int i = 0; i < total; ++i) {
    if (!at(i) || (i > 0 && at(i - 1))) continue;
    int end = i;
    while (end < total && at(end)) ++end;
    text += (text.empty() ? "" : " ") + std::to_string(i + 1) + " " + std::to_string(end - i);
  }
  return text;
}

TEST(Rle, IsRowMajorFromOne) {
  EXPECT_EQ(encode_rle(labels_of(cv::Mat::zeros(3, 4, CV_8UC1)), 0), "");
  EXPECT_EQ(encode_rle(labels_of(cv::Mat::ones(3, 4, CV_8UC1)), 0), "1 12");
  EXPECT_EQ(encode_rle(labels_of((cv::Mat_<std::uint8_t>(2, 3) << 1, 0, 0, 0, 0, 1)), 0), "1 1 6 1");
  EXPECT_EQ(encode_rle(labels_of((cv::Mat_<std::uint8_t>(2, 3) << 0, 1, 1, 1, 0, 0)), 0), "2 3")
      << "a run goes on in the next row";
  EXPECT_EQ(encode_rle(labels_of((cv::Mat_<std::uint8_t>(3, 2) << 0, 1, 0, 1, 0, 1)), 0), "2 1 4 1 6 1");
}

TEST(Rle, EncodesAllClassesAtOnceLikeOneByOneAndDecodesBack) {
  std::mt19937 random(6);
  for (const cv::Size size : {cv::Size(1, 1), cv::Size(16, 5), cv::Size(33, 9), cv::Size(100, 40)}) {
    constexpr int kClasses = 35;
    Labels labels(kClasses, size);
    std::vector<cv::Mat> masks;
    for (int c = 0; c < kClasses; ++c) {
      cv::Mat mask = cv::Mat::zeros(size, CV_8UC1);
      bool on = false;
      for (int i = 0; i < size.area(); ++i) {
        if (random() % static_cast<unsigned>(c + 2) == 0) on = !on;
        mask.at<std::uint8_t>(i / size.width, i % size.width) = on ? 255 : 0;
      }
      labels.add(c, mask);
      masks.push_back(mask);
    }
    const auto all = encode_rle(labels);
    Labels decoded(kClasses, size);
    for (int c = 0; c < kClasses; ++c) {
      ASSERT_EQ(all[static_cast<std::size_t>(c)], reference(masks[static_cast<std::size_t>(c)])) << "class " << c;
      ASSERT_EQ(encode_rle(labels, c), all[static_cast<std::size_t>(c)]);
      decode_rle(all[static_cast<std::size_t>(c)], decoded, c);
    }
    EXPECT_TRUE(data::equal(decoded, labels));
  }
}

TEST(Rle, EncodesPlanesWhoseRowsLieApart) {
  Labels labels(1, {3, 2});
  cv::Mat wide = cv::Mat::ones(2, 8, CV_32SC1);
  labels.planes()[0] = wide(cv::Rect(2, 0, 3, 2));
  EXPECT_EQ(encode_rle(labels, 0), "1 6");
}

TEST(Rle, AcceptsRunsThatTouchAndExtraSpaces) {
  Labels labels(1, {4, 2});
  decode_rle(" 1 2  3 1 ", labels, 0);
  EXPECT_EQ(encode_rle(labels, 0), "1 3");
  decode_rle("", labels, 0);
  EXPECT_EQ(encode_rle(labels, 0), "1 3");
}

TEST(Rle, RefusesEverythingElseAndChangesNothing) {
  for (const char* text : {"1",
                           "1 2 3",
                           "0 1",
                           "1 0",
                           "-1 2",
                           "1 -2",
                           "1 2,3 4",
                           "1 2\t3 4",
                           "a b",
                           "1.0 2",
                           "+1 2",
                           "1 9",
                           "8 2",
                           "9 1",
                           "3 2 1 1",
                           "1 3 3 1",
                           "1 99999999999999999999",
                           "9223372036854775807 1",
                           "1 9223372036854775807",
                           "1 2\n"}) {
    Labels labels(1, {4, 2});
    const Error error = tests::error_of([&] { decode_rle(text, labels, 0); });
    EXPECT_EQ(error.code(), ExitCode::kData) << text;
    EXPECT_EQ(labels.areas()[0], 0) << text;
  }
  Labels labels(1, {4, 2});
  const std::string message = tests::error_of([&] { decode_rle("1 1 3 1 x 1", labels, 0); }).what();
  EXPECT_NE(message.find("run 3"), std::string::npos) << message;
  EXPECT_NE(message.find("'x'"), std::string::npos) << message;
  EXPECT_THROW(decode_rle("", labels, 1), Error);
  EXPECT_THROW(encode_rle(labels, -1), Error);
}

}  // namespace
}  // namespace osteon::exports
