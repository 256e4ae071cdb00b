// SPDX-License-Identifier: Apache-2.0
#include "data/annotation.hpp"

#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <opencv2/imgproc.hpp>

#include "unit/data/files.hpp"

namespace osteon::data {
namespace {

using testing::HasSubstr;
using tests::error_of;

const std::vector<std::string> kClasses = {"finger-1", "Radius"};
constexpr const char* kRadius =
    R"({"id": "2", "type": "poly_seg", "attributes": {}, "points": [[4, 4], [8, 4], [8, 8]], "label": "Radius"})";

std::string annotation(const std::string& entries) {
  return R"({"annotations": [)" + entries +
         R"(], "attributes": {}, "filename": "image.jpg", "metadata": {"width": 3060, "height": 3060}})";
}

std::string finger(const std::string& points) {
  return R"({"type": "poly_seg", "label": "finger-1", "points": )" + points + "}";
}

std::vector<Polygon> parse(const std::string& text) {
  return parse_annotation(text, "a.json", kClasses, {20, 10}).polygons;
}

TEST(Annotation, MapsByLabelAndIgnoresTheMetadata) {
  const auto polygons = parse(annotation(std::string(kRadius) + "," + finger("[[0, 0], [19.4, 0], [20, 10]]")));
  ASSERT_EQ(polygons.size(), 2u);
  EXPECT_EQ(polygons[0].class_index, 1);
  EXPECT_EQ(polygons[1].class_index, 0);
  EXPECT_THAT(polygons[1].points, testing::ElementsAre(cv::Point(0, 0), cv::Point(19, 0), cv::Point(20, 10)));
}

TEST(Annotation, UnitesPolygonsOfAClassAndTakesAnEmptyClass) {
  const auto polygons =
      parse(annotation(std::string(kRadius) + "," + kRadius + R"(,{"type": "empty", "label": "finger-1"})"));
  EXPECT_EQ(polygons.size(), 2u);
  const Labels labels = rasterize(polygons, 2, {20, 10});
  EXPECT_EQ(labels.areas()[0], 0);
  EXPECT_EQ(labels.areas()[1], 15);  // a triangle of 5 + 4 + 3 + 2 + 1 pixels
}

TEST(Annotation, SaysWhichClassesItNames) {
  const auto named = [](const std::string& text) {
    return parse_annotation(text, "a.json", kClasses, {20, 10}, /*complete=*/false).named;
  };
  EXPECT_THAT(named(annotation(kRadius)), testing::ElementsAre(0, 1));
  EXPECT_THAT(named(annotation(R"({"type": "empty", "label": "finger-1"})")), testing::ElementsAre(1, 0));
  EXPECT_THAT(named(annotation("")), testing::ElementsAre(0, 0));
  const Error error = error_of([&] { parse(annotation(kRadius)); });
  EXPECT_THAT(error.what(), HasSubstr("data.absent = \"empty\" or \"unknown\""));
}

TEST(Annotation, RefusesWithFileAndPlace) {
  const struct {
    std::string text;
    std::string message;
  } cases[] = {
      {"[]", "must be an object"},
      {"{}", "\"annotations\""},
      {R"({"annotations": 3})", "/annotations must be a list"},
      {annotation("7"), "/annotations/0 must be an object"},
      {annotation(kRadius), "'finger-1'"},
      {annotation(R"({"type": "poly_seg", "points": []})"), "/annotations/0 has no \"label\""},
      {annotation(R"({"type": "poly_seg", "label": "finger-l", "points": []})"),
       "'finger-1' (and one for 'finger-l', which is no class of the recipe)"},
      {annotation(R"({"type": "box", "label": "finger-1", "points": []})"), "/annotations/0/type"},
      {annotation(R"({"label": "finger-1", "points": []})"), "has no \"type\""},
      {annotation(R"({"type": "poly_seg", "label": "finger-1"})"), "has no \"points\""},
      {annotation(finger("[]")), "/annotations/0/points has 0 points"},
      {annotation(finger("[[1, 1], [2, 2]]")), "has 2 points"},
      {annotation(finger("5")), "/annotations/0/points must be a list"},
      {annotation(finger(R"([[1, 1], [2, "2"], [3, 3]])")), "/annotations/0/points/1 must be [x, y]"},
      {annotation(finger("[[1, 1], [2, 2, 2], [3, 3]]")), "/annotations/0/points/1"},
      {annotation(finger("[[1, 1], [2, null], [3, 3]]")), "/annotations/0/points/1"},
      {annotation(finger("[[1, 1], [2, 2], [21, 3]]")), "outside the image of 20 x 10"},
      {annotation(finger("[[1, 1], [2, 2], [-1, 3]]")), "/annotations/0/points/2"},
      {annotation(finger("[[1, 1], [2, 2], [1e300, 3]]")), "outside"},
  };
  for (const auto& c : cases) {
    const Error error = error_of([&] { parse(c.text); });
    EXPECT_EQ(error.code(), ExitCode::kData) << c.text;
    EXPECT_THAT(error.what(), HasSubstr(c.message)) << c.text;
    EXPECT_EQ(error.where(), "a.json") << c.text;
  }
}

TEST(Annotation, GivesTheByteOfBrokenJson) {
  const Error error = error_of([] { parse(R"({"annotations": [}])"); });
  EXPECT_EQ(error.where(), "a.json:17");
}

// Wherever a value stands that is shown because it should be another one.
TEST(Annotation, RefusesWhatIsDeepOrNoNumber) {
  const std::string open(100'000, '['), close(100'000, ']');
  for (const std::string& text :
       {open + close, annotation(finger(open + close)),
        annotation(finger("[[1, 1], [2, 2], [3, " + open + close + "]]")), annotation(open + close)}) {
    const Error error = error_of([&] { parse(text); });
    EXPECT_EQ(error.code(), ExitCode::kData);
    EXPECT_THAT(error.what(), HasSubstr("deep"));
    EXPECT_THAT(error.where(), testing::StartsWith("a.json:"));
  }
  const Error error = error_of([] { parse(annotation(finger("[[1, 1], [2, 2], [3, 1e999]]"))); });
  EXPECT_EQ(error.code(), ExitCode::kData);
  EXPECT_THAT(error.what(), HasSubstr("1e999"));
  EXPECT_EQ(error.where(), "a.json");
}

TEST(Rasterize, FillsAsOpenCvDoesOnTheWholeImage) {
  std::mt19937 random(3);
  for (int trial = 0; trial < 200; ++trial) {
    const cv::Size size(60, 45);
    Polygon polygon{0, {}};
    for (unsigned i = 0; i < 3 + random() % 8; ++i)
      polygon.points.emplace_back(static_cast<int>(random() % 61), static_cast<int>(random() % 46));
    cv::Mat expected = cv::Mat::zeros(size, CV_8UC1);
    cv::fillPoly(expected, std::vector<std::vector<cv::Point>>{polygon.points}, cv::Scalar(255));
    const cv::Mat mask = rasterize({polygon}, 1, size).mask(0);
    ASSERT_EQ(cv::countNonZero(mask != expected), 0) << trial;
  }
}

}  // namespace
}  // namespace osteon::data
