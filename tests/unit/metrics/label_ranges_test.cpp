// SPDX-License-Identifier: Apache-2.0
#include "metrics/label_ranges.hpp"

#include <gtest/gtest.h>
#include <opencv2/imgproc.hpp>

namespace osteon::metrics {
namespace {

const std::vector<std::string> kClasses = {"a", "b"};

data::Labels labels_of(const std::vector<std::vector<cv::Rect>>& boxes, cv::Size size = {100, 50}) {
  data::Labels labels(static_cast<int>(boxes.size()), size);
  for (std::size_t c = 0; c < boxes.size(); ++c) {
    cv::Mat mask = cv::Mat::zeros(size, CV_8UC1);
    for (const cv::Rect& box : boxes[c]) mask(box) = 255;
    labels.add(static_cast<int>(c), mask);
  }
  return labels;
}

std::vector<std::string> whats(const std::vector<Implausible>& found) {
  std::vector<std::string> list;
  for (const Implausible& one : found) list.push_back(one.class_name + ":" + one.what);
  return list;
}

TEST(LabelShape, IsAreaPartsAndExtent) {
  const LabelShape shape =
      shape_of(labels_of({{{10, 10, 20, 10}, {40, 20, 10, 10}, {90, 40, 2, 2}}, {{0, 0, 30, 12}}, {}}));
  EXPECT_DOUBLE_EQ(shape.classes[0].area, 304.0 / 5000);
  EXPECT_EQ(shape.classes[0].parts, 2) << "a speck is none";
  EXPECT_DOUBLE_EQ(shape.classes[0].extent, 0.4);
  EXPECT_EQ(shape.classes[1].parts, 1);
  EXPECT_DOUBLE_EQ(shape.classes[1].extent, 0.3);
  EXPECT_EQ(shape.classes[2].parts, 0);
  EXPECT_EQ(shape.classes[2].area, 0);
  EXPECT_DOUBLE_EQ(shape.foreground, (304.0 + 360 - 40) / 5000) << "an overlap counts once";
  EXPECT_DOUBLE_EQ(shape.overlap, 40 / (304.0 + 360 - 40));
  EXPECT_EQ(shape_of(labels_of({{}, {}})).overlap, 0);
}

TEST(LabelShape, FindsOverlapsOfClassesInWhateverWords) {
  std::vector<std::vector<cv::Rect>> boxes(40);
  boxes[3] = {{0, 0, 10, 10}};
  boxes[5] = {{0, 5, 10, 10}};
  boxes[35] = {{50, 0, 10, 10}};
  boxes[36] = {{50, 8, 10, 10}};
  boxes[31] = {{50, 16, 10, 4}};
  EXPECT_DOUBLE_EQ(shape_of(labels_of(boxes)).overlap, (50.0 + 20 + 20) / (150 + 200));
}

TEST(LabelRanges, LetPassWhatIsLikeWhatWasSeen) {
  LabelRanges ranges;
  const LabelShape small = shape_of(labels_of({{{10, 10, 10, 10}}, {{50, 10, 20, 20}}}));
  const LabelShape large = shape_of(labels_of({{{10, 10, 20, 10}}, {{50, 10, 30, 20}}}));
  ranges.add(kClasses, small, 300, 50);
  ranges.add(kClasses, large, 400, 50);
  EXPECT_TRUE(ranges.against(kClasses, small, 300, 50).empty());
  EXPECT_TRUE(ranges.against(kClasses, large, 750, 50).empty());
  EXPECT_TRUE(ranges.against(kClasses, shape_of(labels_of({{{3, 3, 25, 11}}, {}})), 0, 50).empty());
  EXPECT_TRUE(ranges.against({"c", "d"}, large, 400, 50).empty()) << "of these nothing is known";
}

TEST(LabelRanges, NameWhatIsFarFromIt) {
  LabelRanges ranges;
  ranges.add(kClasses, shape_of(labels_of({{{10, 10, 20, 10}}, {{50, 10, 30, 20}}})), 400, 50);
  using Names = std::vector<std::string>;
  const auto against = [&](const data::Labels& labels, std::int64_t runs = 400, int height = 50) {
    return ranges.against(kClasses, shape_of(labels), runs, height);
  };
  EXPECT_EQ(whats(against(labels_of({{{10, 10, 25, 20}}, {}}))), Names{"a:area"});
  EXPECT_EQ(whats(against(labels_of({{{0, 10, 10, 8}, {60, 10, 10, 8}}, {}}))), Names{"a:extent"});
  EXPECT_EQ(whats(against(labels_of({{{0, 10, 30, 10}}, {{50, 5, 30, 38}}}))), Names{":foreground"});
  EXPECT_EQ(whats(against(labels_of({{}, {}}), 801)), Names{":runs"});
  EXPECT_TRUE(against(labels_of({{}, {}}), 1600, 100).empty()) << "a higher image has more rows";
  EXPECT_EQ(whats(against(labels_of({{{0, 0, 100, 50}}, {{0, 0, 100, 50}}}), 9000)),
            (Names{"a:area", "a:extent", "b:area", "b:extent", ":foreground", ":runs"}));
  const Implausible found = against(labels_of({{{10, 10, 25, 20}}, {}})).at(0);
  EXPECT_EQ(found.text, "a covers 10 % of the image, in training at most 4 %");
  EXPECT_EQ(to_json(found).at("class"), "a");
}

TEST(LabelRanges, MissOverlapsWhereTheyAlwaysWere) {
  LabelRanges ranges;
  ranges.add(kClasses, shape_of(labels_of({{{10, 10, 20, 10}}, {{26, 10, 20, 10}}})), 400, 50);  // 40 of 360 px
  const auto against = [&](const LabelShape& shape) { return ranges.against(kClasses, shape, 300, 50); };
  EXPECT_TRUE(against(shape_of(labels_of({{{10, 10, 20, 10}}, {{28, 10, 20, 10}}}))).empty()) << "20 of 380 px";
  const std::vector<Implausible> none = against(shape_of(labels_of({{{10, 10, 20, 10}}, {{30, 10, 20, 10}}})));
  EXPECT_EQ(whats(none), std::vector<std::string>{":overlaps"});
  EXPECT_EQ(none[0].text, "0 % of its foreground has more than one class, in training at least 11.1 %");
  EXPECT_DOUBLE_EQ(to_json(none[0]).at("least"), 40.0 / 360);
  EXPECT_TRUE(against(shape_of(labels_of({{}, {}}))).empty()) << "of nothing there is no share";
  // Where one training image had none, none is missed; nor by runs that kept nothing of it.
  nlohmann::json kept = ranges.to_json();
  kept.erase("overlaps");
  const LabelShape apart = shape_of(labels_of({{{10, 10, 20, 10}}, {{30, 10, 20, 10}}}));
  EXPECT_TRUE(LabelRanges::from_json(kept).against(kClasses, apart, 300, 50).empty());
  ranges.add(kClasses, apart, 400, 50);
  EXPECT_TRUE(against(apart).empty());
}

TEST(LabelRanges, KnowNothingOfAClassThatNobodyLookedFor) {
  data::Labels labels = labels_of({{}, {{50, 10, 30, 20}}});
  labels.set_class_valid({0, 1});
  LabelRanges ranges;
  ranges.add(kClasses, shape_of(labels), 100, 50);
  const LabelShape both = shape_of(labels_of({{{0, 0, 30, 10}}, {{50, 10, 30, 20}}}));
  for (const Implausible& one : ranges.against(kClasses, both, 100, 50)) EXPECT_NE(one.class_name, "a");
}

TEST(LabelRanges, AreKeptAsJsonAndJoined) {
  LabelRanges first, second;
  first.add(kClasses, shape_of(labels_of({{{10, 10, 20, 10}}, {}})), 400, 50);
  second.add({"b"}, shape_of(labels_of({{{10, 10, 40, 20}}})), 200, 50);
  LabelRanges both = LabelRanges::from_json(first.to_json());
  EXPECT_EQ(both.to_json(), first.to_json());
  EXPECT_TRUE(LabelRanges().empty());
  EXPECT_FALSE(both.empty());
  both.add(second);
  const LabelShape as_second = shape_of(labels_of({{}, {{10, 10, 40, 20}}}));
  EXPECT_FALSE(first.against(kClasses, as_second, 200, 50).empty());
  EXPECT_TRUE(both.against(kClasses, as_second, 200, 50).empty());
}

}  // namespace
}  // namespace osteon::metrics
