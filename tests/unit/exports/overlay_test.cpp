// SPDX-License-Identifier: Apache-2.0
#include "exports/overlay.hpp"

#include <set>

#include <gtest/gtest.h>

#include "base/error.hpp"
#include "exports/legend.hpp"
#include "exports/palette.hpp"

namespace osteon::exports {
namespace {

data::Image grey_image(cv::Size size, int type = CV_8UC1) {
  data::Image image;
  image.pixels = cv::Mat(size, type, cv::Scalar::all(100));
  image.maximum = CV_MAT_DEPTH(type) == CV_8U ? 255.0 : 65535.0;
  return image;
}

std::vector<std::string> names(int count) {
  std::vector<std::string> result;
  for (int c = 0; c < count; ++c) result.push_back("class " + std::to_string(c));
  return result;
}

TEST(Palette, KeepsTheColourOfAClassAndTellsManyApart) {
  const auto few = class_colors(29);
  const auto many = class_colors(100);
  std::set<std::tuple<int, int, int>> distinct;
  for (std::size_t c = 0; c < many.size(); ++c) {
    if (c < few.size()) {
      EXPECT_EQ(few[c], many[c]);
    }
    distinct.insert({many[c][0], many[c][1], many[c][2]});
    // Not grey: a radiograph has no colour.
    const auto [least, most] = std::minmax({many[c][0], many[c][1], many[c][2]});
    EXPECT_GE(most - least, 40) << "class " << c;
  }
  EXPECT_EQ(distinct.size(), many.size());
  EXPECT_TRUE(class_colors(0).empty());
}

TEST(Overlay, TintsTheClassAndLeavesTheRest) {
  data::Labels labels(2, {1000, 800});
  cv::Mat mask = cv::Mat::zeros(800, 1000, CV_8UC1);
  mask(cv::Rect(100, 100, 200, 200)) = 1;
  labels.add(1, mask);
  OverlayOptions options;
  options.legend = false;
  options.opacity = 0.5;
  const cv::Mat picture = render_overlay(grey_image({1000, 800}), labels, {"a", "b"}, options);
  ASSERT_EQ(picture.type(), CV_8UC3);
  ASSERT_EQ(picture.size(), cv::Size(1000, 800));
  const cv::Vec3b color = class_colors(2)[1];
  for (int k = 0; k < 3; ++k) {
    EXPECT_NEAR(picture.at<cv::Vec3b>(150, 150)[k], 50 + color[k] / 2.0, 1.0);
    EXPECT_NEAR(picture.at<cv::Vec3b>(100, 200)[k], color[k], 20) << "the outline is opaque";
    EXPECT_EQ(picture.at<cv::Vec3b>(600, 600)[k], 100);
  }
}

TEST(Overlay, HasALegendBesideThePictureAtAnySize) {
  for (const cv::Size size :
       {cv::Size(1, 1), cv::Size(30, 40), cv::Size(2500, 20), cv::Size(20, 2500), cv::Size(700, 900)}) {
    for (const int classes : {1, 29, 120}) {
      const cv::Mat picture = render_overlay(grey_image(size), data::Labels(classes, size), names(classes));
      EXPECT_GE(picture.rows, 200) << size;
      EXPECT_GT(picture.cols, 100) << size;
    }
  }
}

TEST(Overlay, ReducesPicturesThatNoOneCouldShow) {
  OverlayOptions options;
  options.legend = false;
  options.greatest_side = 512;
  const cv::Size size(2048, 1024);
  EXPECT_EQ(render_overlay(grey_image(size), data::Labels(1, size), {"a"}, options).size(), cv::Size(512, 256));
}

TEST(Overlay, ShowsTwelveBitsInSixteenAtFullContrast) {
  data::Image image = grey_image({100, 100}, CV_16UC1);
  for (int y = 0; y < 100; ++y)
    for (int x = 0; x < 100; ++x) image.pixels.at<std::uint16_t>(y, x) = static_cast<std::uint16_t>(41 * x);
  OverlayOptions options;
  options.legend = false;
  const cv::Mat picture = render_overlay(image, data::Labels(1, {100, 100}), {"a"}, options);
  EXPECT_LT(picture.at<cv::Vec3b>(picture.rows / 2, 0)[0], 5);
  EXPECT_GT(picture.at<cv::Vec3b>(picture.rows / 2, picture.cols - 1)[0], 250);
}

TEST(Overlay, RefusesWhatDoesNotFit) {
  EXPECT_THROW(render_overlay(grey_image({4, 4}), data::Labels(1, {4, 5}), {"a"}), Error);
  EXPECT_THROW(render_overlay(grey_image({4, 4}), data::Labels(2, {4, 4}), {"a"}), Error);
}

TEST(Legend, IsExactlyAsHighAsAskedAndShowsColours) {
  const cv::Vec3b red(250, 10, 20);
  const cv::Mat panel = render_legend({{1, "there", red, true}, {2, "not there", {0, 250, 0}, false}}, 400);
  EXPECT_EQ(panel.rows, 400);
  cv::Mat found;
  cv::inRange(panel, red, red, found);
  EXPECT_GT(cv::countNonZero(found), 50);
  cv::inRange(panel, cv::Vec3b(0, 250, 0), cv::Vec3b(0, 250, 0), found);
  EXPECT_EQ(cv::countNonZero(found), 0);
}

TEST(Legend, ReplacesEachLetterThatItCannotDraw) {
  EXPECT_EQ(to_ascii("finger-1"), "finger-1");
  EXPECT_EQ(to_ascii("손 bone\t"), "? bone?");
  EXPECT_EQ(to_ascii("é"), "?");
}

}  // namespace
}  // namespace osteon::exports
