// SPDX-License-Identifier: Apache-2.0
#include "metrics/scores.hpp"

#include <cmath>
#include <thread>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/error.hpp"

namespace osteon::metrics {
namespace {

TEST(Scores, AveragesOverImagesThenClasses) {
  Scores scores({"a", "b"});
  scores.add("2.png", {{10, 10, 10}, {0, 0, 10}});
  scores.add("1.png", {{5, 10, 10}, {0, 0, 0}});
  const double half = (10 + 1e-4) / (20 + 1e-4);
  const double none = 1e-4 / (10 + 1e-4);
  const Summary dice = scores.dice();
  EXPECT_DOUBLE_EQ(dice.per_class[0], (1 + half) / 2);
  EXPECT_DOUBLE_EQ(dice.per_class[1], (1 + none) / 2);
  EXPECT_DOUBLE_EQ(dice.mean, (dice.per_class[0] + dice.per_class[1]) / 2);
  EXPECT_DOUBLE_EQ(scores.iou().per_class[0], (1 + 1.0 / 3) / 2);

  const auto json = scores.to_json();
  EXPECT_EQ(json["images"], 2);
  EXPECT_EQ(json["dice"]["mean"], dice.mean);
  EXPECT_EQ(json["dice"]["per_class"]["b"], dice.per_class[1]);
  EXPECT_EQ(json["iou"]["per_class"]["b"], 0.5);
  ASSERT_EQ(json["per_image"].size(), 2u);
  EXPECT_EQ(json["per_image"][0]["image"], "1.png");
  EXPECT_EQ(json["per_image"][0]["dice"]["per_class"]["a"], half);
  EXPECT_EQ(json["per_image"][0]["dice"]["mean"], (half + 1) / 2);
  EXPECT_EQ(json["per_image"][1]["iou"]["mean"], 0.5);
}

TEST(Scores, AveragesEachClassOverTheImagesInWhichItIsKnown) {
  const ClassCounts unknown{0, 0, 0, false};
  Scores scores({"a", "b", "c"});
  scores.add("1.png", {{10, 10, 10}, unknown, unknown});
  scores.add("2.png", {{0, 10, 10}, {5, 10, 10}, unknown});
  scores.add("3.png", {unknown, unknown, unknown});
  const double half = (10 + 1e-4) / (20 + 1e-4), none = 1e-4 / (20 + 1e-4);
  const Summary dice = scores.dice();
  EXPECT_DOUBLE_EQ(dice.per_class[0], (1 + none) / 2);
  EXPECT_DOUBLE_EQ(dice.per_class[1], half);
  EXPECT_TRUE(std::isnan(dice.per_class[2]));
  EXPECT_DOUBLE_EQ(dice.mean, (dice.per_class[0] + dice.per_class[1]) / 2) << "what nobody knows is not averaged";
  EXPECT_DOUBLE_EQ(scores.iou().per_class[1], 1.0 / 3);
  EXPECT_EQ(scores.images_per_class(), (std::vector<int>{2, 1, 0}));

  const auto json = scores.to_json();
  EXPECT_EQ(json["images"], 2);
  EXPECT_EQ(json["left_out"], nlohmann::ordered_json({"3.png"})) << "nothing counts in it";
  EXPECT_EQ(json["images_per_class"], (nlohmann::ordered_json{{"a", 2}, {"b", 1}, {"c", 0}}));
  EXPECT_TRUE(json["dice"]["per_class"]["c"].is_null());
  EXPECT_TRUE(json["per_image"][0]["dice"]["per_class"]["b"].is_null());
  EXPECT_EQ(json["per_image"][0]["dice"]["mean"], 1.0);
  EXPECT_TRUE(json["per_image"][2]["iou"]["mean"].is_null());
  EXPECT_EQ(scores.to_csv(),
            "image_name,class,dice,iou,intersection,predicted,truth\n"
            "1.png,a,1.0,1.0,10,10,10\n1.png,b,,,,,\n1.png,c,,,,,\n"
            "2.png,a," +
                nlohmann::json(none).dump() + ",0.0,0,10,10\n2.png,b," + nlohmann::json(half).dump() + "," +
                nlohmann::json(1.0 / 3).dump() +
                ",5,10,10\n2.png,c,,,,,\n"
                "3.png,a,,,,,\n3.png,b,,,,,\n3.png,c,,,,,\n");

  Scores nothing({"a"});
  nothing.add("1.png", {unknown});
  EXPECT_THROW(nothing.dice(), Error);
}

TEST(Scores, PoolsTheAreasOfAllImages) {
  const ClassCounts unknown{0, 0, 0, false};
  Scores scores({"a", "b", "never"});
  scores.add("1.png", {{1, 2, 3}, unknown, {0, 0, 0}});
  scores.add("2.png", {{90, 100, 100}, {2, 4, 6}, {0, 0, 0}});
  const Summary dice = scores.pooled_dice(), iou = scores.pooled_iou();
  EXPECT_DOUBLE_EQ(dice.per_class[0], 2 * 91.0 / 205);
  EXPECT_DOUBLE_EQ(dice.per_class[1], 2 * 2.0 / 10);
  EXPECT_DOUBLE_EQ(iou.per_class[0], 91.0 / (205 - 91));
  EXPECT_DOUBLE_EQ(iou.per_class[1], 2.0 / 8);
  EXPECT_TRUE(std::isnan(dice.per_class[2])) << "neither predicted nor true anywhere";
  EXPECT_DOUBLE_EQ(dice.mean, (dice.per_class[0] + dice.per_class[1]) / 2);
  EXPECT_DOUBLE_EQ(iou.mean, (iou.per_class[0] + iou.per_class[1]) / 2);
  EXPECT_DOUBLE_EQ(scores.dice().per_class[2], 1.0) << "the competition's mean over images counts empty pairs as 1";

  const auto json = scores.to_json();
  EXPECT_EQ(json["pooled"]["iou"]["mean"], iou.mean);
  EXPECT_EQ(json["pooled"]["dice"]["per_class"]["b"], 0.4);
  EXPECT_TRUE(json["pooled"]["dice"]["per_class"]["never"].is_null());
}

TEST(Scores, WritesALinePerImageAndClass) {
  Scores scores({"a", "b,c"});
  scores.add("x.png", {{10, 10, 10}, {0, 0, 0}});
  EXPECT_EQ(scores.to_csv(),
            "image_name,class,dice,iou,intersection,predicted,truth\n"
            "x.png,a,1.0,1.0,10,10,10\n"
            "x.png,\"b,c\",1.0,1.0,0,0,0\n");
}

TEST(Scores, DoesNotDependOnThreadsOrOrder) {
  const auto counts = [](int i) { return std::vector<ClassCounts>{{i % 7, i % 7 + i % 3, i % 7 + i % 5}}; };
  Scores one({"a"});
  for (int i = 99; i >= 0; --i) one.add(std::to_string(i), counts(i));
  Scores many({"a"});
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = t; i < 100; i += 4) many.add(std::to_string(i), counts(i));
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(many.to_json(), one.to_json());
}

TEST(Scores, RefusesNothingDoublesAndWrongClasses) {
  Scores scores({"a"});
  EXPECT_THROW(scores.dice(), Error);
  EXPECT_THROW(scores.add("x", {}), Error);
  scores.add("x", {{1, 1, 1}});
  EXPECT_THROW(scores.add("x", {{1, 1, 1}}), Error);
  EXPECT_EQ(scores.images(), 1);
}

}  // namespace
}  // namespace osteon::metrics
