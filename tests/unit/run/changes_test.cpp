// SPDX-License-Identifier: Apache-2.0
#include "run/changes.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "support/program.hpp"

namespace osteon::run {
namespace {

using ::testing::HasSubstr;

recipe::Recipe with(std::vector<recipe::Origin> origins) {
  recipe::Recipe recipe;
  recipe.origins = std::move(origins);
  return recipe;
}

TEST(Changes, AreWhatTwoRecipesDoNotAgreeOnWhereverItCameFrom) {
  const auto changes = changes_between(with({{"a", "1", "x.toml:1:1", {}}, {"b", "2", "", {}}, {"c", "3", "", {}}}),
                                       with({{"a", "1", "--set", {}}, {"b", "4", "", {}}, {"d", "5", "", {}}}));
  ASSERT_EQ(changes.size(), 3u);
  EXPECT_EQ(changes[0].key + changes[0].was + changes[0].is, "b24");
  EXPECT_EQ(changes[1].key + changes[1].was + changes[1].is, "c3");
  EXPECT_EQ(changes[2].key + changes[2].was + changes[2].is, "d5");
}

TEST(Changes, AreNoneBetweenAFileAndItsCopy) {
  const test::TemporaryFolder folder;
  const std::string one = (folder / "net.pt").string(), copy = (folder / "run/files/net.pt").string();
  test::write_text(one, "weights");
  test::write_text(copy, "weights");
  const auto recipe = [](const std::string& file) { return with({{"model.file", "\"" + file + "\"", "", {file}}}); };
  EXPECT_TRUE(changes_between(recipe(copy), recipe(one)).empty());
  test::write_text(one, "other w");
  EXPECT_EQ(changes_between(recipe(copy), recipe(one)).size(), 1u);
}

TEST(Changes, AreTakenOrRefusedByTheirKey) {
  for (const char* key : {"train.epochs", "train.batch_size", "train.accumulate", "train.optimizer.lr", "train.device",
                          "train.validate_every", "train.checkpoint_every", "data.workers", "data.prefetch",
                          "data.cache_mb", "predict.threshold", "predict.post[0].scales"})
    EXPECT_NO_THROW(expect_may_change({{key, "1", "2"}}, "run")) << key;
  for (const char* key : {"model.width", "data.fold", "train.seed", "train.optimizer.name", "train.ema",
                          "loss[0].weight", "augment[0].p", "train.precision", "data.root", "predictions"}) {
    try {
      expect_may_change({{"train.epochs", "1", "2"}, {key, "1", "2"}}, "run");
      ADD_FAILURE() << key << " was changed";
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ExitCode::kUsage);
      EXPECT_THAT(e.what(), HasSubstr(key));
      EXPECT_THAT(e.what(), HasSubstr("train.epochs"));
    }
  }
}

}  // namespace
}  // namespace osteon::run
