// SPDX-License-Identifier: Apache-2.0
#include "exports/contact_sheet.hpp"

#include <gtest/gtest.h>

#include "exports/display.hpp"
#include "exports/text.hpp"

namespace osteon::exports {
namespace {

SheetTile tile(cv::Size size, int value, std::vector<std::string> caption) {
  return {cv::Mat(size, CV_8UC3, cv::Scalar::all(value)), std::move(caption)};
}

TEST(ContactSheet, HoldsEveryTilePixelForPixelInRows) {
  std::vector<SheetTile> tiles;
  for (int i = 0; i < 5; ++i) tiles.push_back(tile({300, 80}, 40 * i, {"title", "a line"}));
  const ContactSheet sheet = render_contact_sheet("heading", tiles, 2, {});
  ASSERT_EQ(sheet.tiles.size(), 5u);
  const cv::Rect whole({}, sheet.picture.size());
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(sheet.tiles[i].size(), cv::Size(300, 80));
    ASSERT_EQ(sheet.tiles[i] & whole, sheet.tiles[i]);
    EXPECT_EQ(cv::norm(sheet.picture(sheet.tiles[i]), tiles[i].picture, cv::NORM_INF), 0);
    for (std::size_t j = 0; j < i; ++j) EXPECT_TRUE((sheet.tiles[i] & sheet.tiles[j]).empty());
  }
  EXPECT_EQ(sheet.tiles[0].y, sheet.tiles[1].y);
  EXPECT_LT(sheet.tiles[0].x, sheet.tiles[1].x);
  EXPECT_EQ(sheet.tiles[2].x, sheet.tiles[0].x);
  EXPECT_GT(sheet.tiles[2].y, sheet.tiles[1].br().y);
}

TEST(ContactSheet, MakesRoomForTheLongestCaptionOfARow) {
  const std::string words = "so many words that a line of a narrow tile does not hold them and wraps again and again";
  const auto height = [](const std::string& text) {
    return render_contact_sheet("h", {tile({64, 64}, 0, {"t"}), tile({64, 64}, 0, {"t", text})}, 2, {}).picture.rows;
  };
  EXPECT_GT(height(words), height("few"));
}

TEST(ContactSheet, WritesWithinItsBordersWhateverTheLetters) {
  const std::vector<SheetTile> tiles = {tile({64, 64}, 0, {std::string(400, 'x'), "\xEC\x86\x90\xEB\xBC\x88"})};
  const ContactSheet sheet = render_contact_sheet(std::string(300, 'y'), tiles, 4, {{1, "Radius", {1, 2, 3}, true}});
  EXPECT_GE(sheet.picture.rows, 200);  // the legend's
  const ContactSheet alone = render_contact_sheet(std::string(300, 'y'), tiles, 4, {});
  EXPECT_GT(sheet.picture.cols, alone.picture.cols);
  cv::Mat edge;
  cv::extractChannel(alone.picture.col(alone.picture.cols - 1), edge, 0);
  EXPECT_EQ(cv::countNonZero(edge != kBackground[0]), 0);
}

TEST(Text, BreaksAtSpacesAndWordsThatAreTooWide) {
  const int width = width_of("abcdef", 0.45);
  EXPECT_EQ(wrapped("abc abc  def", 0.45, width), (std::vector<std::string>{"abc", "abc", "def"}));
  for (const std::string& line : wrapped("ab abcdefabcdefabcdef", 0.45, width)) EXPECT_LE(width_of(line, 0.45), width);
  EXPECT_EQ(wrapped("", 0.45, width), std::vector<std::string>{""});
}

TEST(Display, LeavesBytesAndStretchesWordsBetweenTheirPercentiles) {
  data::Image bytes{cv::Mat(2, 2, CV_8U, cv::Scalar(77)), 255};
  EXPECT_EQ(to_bytes(bytes.pixels, window_of(bytes)).at<std::uint8_t>(0, 0), 77);
  data::Image words{cv::Mat(1, 1000, CV_16U), 65535};
  for (int x = 0; x < 1000; ++x) words.pixels.at<std::uint16_t>(0, x) = static_cast<std::uint16_t>(1000 + x);
  const cv::Mat shown = to_bytes(words.pixels, window_of(words));
  EXPECT_EQ(shown.at<std::uint8_t>(0, 0), 0);
  EXPECT_EQ(shown.at<std::uint8_t>(0, 999), 255);
  EXPECT_NEAR(shown.at<std::uint8_t>(0, 500), 128, 1);
}

}  // namespace
}  // namespace osteon::exports
