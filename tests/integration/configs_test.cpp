// SPDX-License-Identifier: Apache-2.0
// Every recipe of configs/ that is whole, on toy sizes: all are checked in the short tier, and the demo is run there as
// a user would. The long tier trains each for one step. New files are found by themselves.
#include <algorithm>
#include <cmath>
#include <map>

#include <gtest/gtest.h>

#include "engine/engine.hpp"
#include "recipe/load_recipe.hpp"
#include "support/found_plugins.hpp"
#include "support/program.hpp"

namespace osteon::test {
namespace {

namespace fs = std::filesystem;

const fs::path kConfigs = fs::path(OSTEON_SOURCE_DIR) / "configs";
const fs::path kDemo = kConfigs / "demo" / "hand.toml";

// base/ holds parts to extend.
std::vector<fs::path> whole_recipes() {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(kConfigs))
    if (entry.path().extension() == ".toml" && entry.path().parent_path() != kConfigs / "base")
      files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

std::vector<fs::path> all_but_the_demo() {
  std::vector<fs::path> files = whole_recipes();
  files.erase(std::find(files.begin(), files.end(), kDemo));
  return files;
}

std::string key_of(const fs::path& recipe) {
  return recipe.lexically_relative(kConfigs).replace_extension().generic_string();
}

// Recipes name the folder of their data by variables.
void set_data(const fs::path& folder) {
  ::setenv("OSTEON_DATA", folder.c_str(), 1);
  ::setenv("OSTEON_DEMO_DATA", (folder / "hand").c_str(), 1);
}

TEST(Configs, AreWithoutMistakesAndOldNames) {
  set_data("/nowhere");
  std::map<std::string, fs::path> names;
  for (const fs::path& file : whole_recipes()) {
    try {
      const recipe::LoadedRecipe loaded = recipe::load_recipe(file, {{}, registry().schemas(), {}});
      EXPECT_EQ(loaded.warnings, std::vector<std::string>()) << file;
      EXPECT_NE(loaded.recipe.description, "") << file;
      EXPECT_TRUE(names.emplace(loaded.recipe.name, file).second)
          << file << " is called as " << names[loaded.recipe.name];
    } catch (const recipe::RecipeErrors& e) {
      ADD_FAILURE() << e.what();
    }
  }
}

// The table of the report's rows leads to every recipe, and nowhere else.
TEST(Configs, OfTheReportStandInItsTable) {
  const fs::path folder = kConfigs / "seed";
  const std::string page = slurp(folder / "README.md");
  for (const fs::path& file : whole_recipes()) {
    const std::string relative = file.lexically_relative(folder).generic_string();
    if (relative.rfind("..", 0) == 0) continue;
    EXPECT_NE(page.find("](" + relative + ")"), std::string::npos) << relative << " is not in configs/seed/README.md";
  }
  std::size_t links = 0;
  for (std::size_t at = page.find("]("); at != std::string::npos; at = page.find("](", at + 1)) {
    const std::string target = page.substr(at + 2, page.find(')', at) - at - 2);
    if (target.front() == '#' || target.find("://") != std::string::npos) continue;
    EXPECT_TRUE(fs::exists(folder / target)) << target;
    ++links;
  }
  EXPECT_GT(links, 20u);
}

class TrainedConfigs : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new TemporaryFolder();
    const Outcome outcome = run_program(
        OSTEON_PROGRAM, "phantom " + (*folder_ / "hand").string() + " --patients 3 --test-patients 1 --size 64");
    ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
    set_data(folder_->path());
  }
  static void TearDownTestSuite() { delete folder_; }

  static TemporaryFolder* folder_;
};
TemporaryFolder* TrainedConfigs::folder_ = nullptr;

// Small pictures, and float32: bfloat16 has no kernels on many processors.
const std::vector<std::string> kToy = {"data.image_size=32", "data.folds=3", "train.epochs=1", "train.batch_size=4",
                                       "train.precision=\"fp32\""};

TEST_F(TrainedConfigs, TheDemoTrainsAndPredicts) {
  std::string overrides;
  for (const std::string& one : kToy) overrides += " --set '" + one + "'";
  const std::string run = (*folder_ / "run").string();
  const Outcome trained = run_program(OSTEON_PROGRAM, "train " + kDemo.string() + " --out " + run + overrides);
  ASSERT_EQ(trained.exit_code, 0) << trained.err;
  EXPECT_TRUE(fs::exists(run + "/model.safetensors"));
  const Outcome predicted = run_program(OSTEON_PROGRAM, "predict " + run + " " + (*folder_ / "hand/test/DCM").string() +
                                                            " --out " + run + "/out --format csv");
  EXPECT_EQ(predicted.exit_code, 0) << predicted.err;
}

// All in one process, which loads LibTorch and each plugin once.
class LongConfigs : public TrainedConfigs, public ::testing::WithParamInterface<fs::path> {
 protected:
  static engine::Engine& engine() {
    static const std::unique_ptr<engine::Engine> engine = engine::load({&registry(), 0}, {});
    return *engine;
  }
};

// One step of its own model, losses, augmentations, optimizer and schedule, validation, and a prediction with what
// comes out. Of ConvNeXt the smallest: the largest and its optimizer take 6 GB.
TEST_P(LongConfigs, TrainAStepAndPredict) {
  std::vector<std::string> overrides = kToy;
  if (GetParam().stem().string().rfind("convnext", 0) == 0) overrides.emplace_back("model.variant=\"tiny\"");
  engine::TrainRequest train;
  train.recipe = recipe::load_recipe(GetParam(), {overrides, registry().schemas(), {}}).recipe;
  train.overrides = overrides;
  train.out = *folder_ / "run";
  train.overwrite = true;
  const nlohmann::json trained = engine().train(train);
  EXPECT_TRUE(std::isfinite(trained.at("result").at("loss").get<double>())) << trained;
  EXPECT_TRUE(fs::exists(train.out / "model.safetensors"));

  engine::PredictRequest predict;
  predict.run = train.out;
  predict.recipe = train.recipe;
  predict.inputs = {(*folder_ / "hand/test/DCM").string()};
  predict.out = train.out / "out";
  predict.formats = {"csv"};
  const nlohmann::json predicted = engine().predict(predict);
  EXPECT_EQ(predicted.at("images").size(), 2u);
  EXPECT_EQ(predicted.at("failed"), 0);
}

std::string name_of(const ::testing::TestParamInfo<fs::path>& test) {
  std::string name = key_of(test.param);
  std::replace_if(
      name.begin(), name.end(), [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0; }, '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Long, LongConfigs, ::testing::ValuesIn(all_but_the_demo()), name_of);

}  // namespace
}  // namespace osteon::test
