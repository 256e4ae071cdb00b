// SPDX-License-Identifier: Apache-2.0
// Every recipe of configs/ that is whole, as a user would run it, on toy sizes: the demo's in the short tier.
#include <algorithm>

#include <gtest/gtest.h>

#include "support/program.hpp"

namespace osteon::test {
namespace {

namespace fs = std::filesystem;

const fs::path kConfigs = fs::path(OSTEON_SOURCE_DIR) / "configs";

std::vector<fs::path> whole_recipes() {
  std::vector<fs::path> files;
  for (const char* folder : {"demo", "seed"})
    for (const auto& entry : fs::directory_iterator(kConfigs / folder))
      if (entry.path().extension() == ".toml") files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

const fs::path kDemo = kConfigs / "demo" / "hand.toml";

std::vector<fs::path> all_but_the_demo() {
  std::vector<fs::path> files = whole_recipes();
  files.erase(std::find(files.begin(), files.end(), kDemo));
  return files;
}

class Configs : public ::testing::TestWithParam<fs::path> {
 protected:
  static void SetUpTestSuite() {
    folder_ = new TemporaryFolder();
    const Outcome outcome = run_program(
        OSTEON_PROGRAM, "phantom " + (*folder_ / "hand").string() + " --patients 5 --test-patients 1 --size 96");
    ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  }
  static void TearDownTestSuite() { delete folder_; }

  static Outcome osteon(const std::string& arguments) {
    const std::string data =
        "OSTEON_DATA=" + folder_->path().string() + " OSTEON_DEMO_DATA=" + (*folder_ / "hand").string();
    return run_program(data + " " + OSTEON_PROGRAM, arguments);
  }
  static TemporaryFolder* folder_;
};
TemporaryFolder* Configs::folder_ = nullptr;

TEST_P(Configs, IsWithoutMistakes) {
  const Outcome outcome = osteon("recipe check --strict " + GetParam().string());
  EXPECT_EQ(outcome.exit_code, 0) << outcome.out << outcome.err;
}

class TrainedConfigs : public Configs {};

// One epoch of its own model, losses, augmentations and optimizer, on small pictures and in float32: bfloat16 has no
// kernels on many processors. Of ConvNeXt the smallest: the largest and its optimizer take 6 GB.
TEST_P(TrainedConfigs, Train) {
  std::string overrides =
      " --set data.image_size=64 --set data.folds=5 --set train.epochs=1 --set train.batch_size=4"
      " --set 'train.precision=\"fp32\"'";
  if (GetParam().stem().string().find("convnext") == 0) overrides += " --set 'model.variant=\"tiny\"'";
  const std::string run = (*folder_ / ("run_" + GetParam().stem().string())).string();
  const Outcome trained = osteon("train " + GetParam().string() + " --out " + run + overrides);
  ASSERT_EQ(trained.exit_code, 0) << trained.err;
  EXPECT_TRUE(fs::exists(run + "/model.safetensors"));
  const Outcome predicted =
      osteon("predict " + run + " " + (*folder_ / "hand/test/DCM").string() + " --out " + run + "/out --format csv");
  EXPECT_EQ(predicted.exit_code, 0) << predicted.err;
  fs::remove_all(run);
}

std::string name_of(const ::testing::TestParamInfo<fs::path>& test) {
  std::string name = test.param.parent_path().filename().string() + "_" + test.param.stem().string();
  std::replace_if(
      name.begin(), name.end(), [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0; }, '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Recipes, Configs, ::testing::ValuesIn(whole_recipes()), name_of);
INSTANTIATE_TEST_SUITE_P(Demo, TrainedConfigs, ::testing::Values(kDemo), name_of);
INSTANTIATE_TEST_SUITE_P(Long, TrainedConfigs, ::testing::ValuesIn(all_but_the_demo()), name_of);

}  // namespace
}  // namespace osteon::test
