// SPDX-License-Identifier: Apache-2.0
// What is known of this machine's kernels, from the self-test to the run's record: a faulty one is put into what the
// program remembers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/file.hpp"
#include "support/program.hpp"

namespace osteon::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;

class Kernels : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new TemporaryFolder();
    ASSERT_EQ(osteon("phantom " + path("data") + " --patients 4 --test-patients 1 --size 64").exit_code, 0);
    EXPECT_TRUE(remembered().empty()) << "a phantom needs none of them";
    write_text(path("recipe.toml"), std::string("recipe = 1\nextends = \"") + OSTEON_SOURCE_DIR +
                                        "/configs/base/hand29.toml\"\n[data]\nroot = \"data\"\nimage_size = 64\n"
                                        "folds = 2\n[model]\nplugin = \"unet\"\nencoder = \"resnet18\"\n"
                                        "width = 0.125\ndecoder_channels = [16, 16, 8, 8, 8]\n[[loss]]\n"
                                        "plugin = \"bce\"\n[train]\nepochs = 1\nbatch_size = 4\n");
    doctor_ = osteon("doctor --json");
  }
  static void TearDownTestSuite() { delete folder_; }

  static std::string path(const std::string& name) { return (*folder_ / name).string(); }
  static Outcome osteon(const std::string& arguments) {
    return run_program(
        "env -u ONEDNN_MAX_CPU_ISA OMP_NUM_THREADS=1 OSTEON_CACHE_DIR=" + path("cache") + " " + OSTEON_PROGRAM,
        arguments);
  }
  static fs::path remembered() {
    if (fs::exists(path("cache")))
      for (const auto& entry : fs::directory_iterator(path("cache")))
        if (entry.path().filename().string().rfind("kernels-", 0) == 0) return entry.path();
    return {};
  }
  // As if the self-test had found this.
  static void remember(const json& report) {
    json memory = json::parse(slurp(remembered()));
    for (json& answer : memory.at("answers")) answer = report;
    write_file_atomically(remembered(), memory.dump());
  }
  static json faulty(const char* precision) {
    return {{{"precision", precision},
             {"operation", "3x3 convolution"},
             {"detail", "the gradient of the weights is not finite at [0]"}}};
  }

  static TemporaryFolder* folder_;
  static Outcome doctor_;
};
TemporaryFolder* Kernels::folder_ = nullptr;
Outcome Kernels::doctor_;

TEST_F(Kernels, AreTestedByTheFirstWhoNeedsThem) {
  ASSERT_FALSE(remembered().empty());
  const json kernels = json::parse(doctor_.out).at("engine").at("kernels");
  EXPECT_TRUE(kernels.at("tested"));
  EXPECT_EQ(doctor_.exit_code, kernels.at("faults").empty() ? 0 : 1);
  for (const json& fault : kernels.at("faults")) EXPECT_NE(fault.at("precision"), "float32") << fault;
}

TEST_F(Kernels, ThatAreKeptOffAreInTheRunsRecord) {
  remember({{"tested", true}, {"held_to", "AVX2"}, {"faults", json::array()}, {"avoided", faulty("bfloat16")}});
  const Outcome trained = osteon("train " + path("recipe.toml") + " --out " + path("run"));
  ASSERT_EQ(trained.exit_code, 0) << trained.err;
  const json kernels = json::parse(slurp(path("run/run.json"))).at("kernels");
  EXPECT_EQ(kernels.at("held_to"), "AVX2");
  EXPECT_EQ(kernels.at("avoided"), faulty("bfloat16"));
  const Outcome doctor = osteon("doctor");
  EXPECT_EQ(doctor.exit_code, 0) << doctor.err;
  EXPECT_THAT(doctor.out, HasSubstr("held to AVX2"));
}

TEST_F(Kernels, ThatAreFaultyInHalfPrecisionAreNotTrainedWith) {
  remember({{"tested", true}, {"held_to", ""}, {"faults", faulty("bfloat16")}, {"avoided", json::array()}});
  const std::string train = "train " + path("recipe.toml") + " --out ";
  const Outcome refused = osteon(train + path("mixed") + " --set 'train.precision=\"amp\"'");
  EXPECT_EQ(refused.exit_code, 5) << refused.err;
  for (const char* part : {"train.precision", "bfloat16", "3x3 convolution", "fp32"})
    EXPECT_THAT(refused.err, HasSubstr(part));
  EXPECT_FALSE(fs::exists(path("mixed"))) << "a folder in the way of the next try";
  EXPECT_EQ(osteon(train + path("full")).exit_code, 0) << "float32 is sound";
  const Outcome doctor = osteon("doctor");
  EXPECT_EQ(doctor.exit_code, 1);
  EXPECT_THAT(doctor.out, HasSubstr("WRONG in bfloat16"));
  EXPECT_THAT(doctor.out, HasSubstr("right in float32"));
}

TEST_F(Kernels, ThatAreFaultyInFloat32AreSaidEachTime) {
  remember({{"tested", true}, {"held_to", ""}, {"faults", faulty("float32")}, {"avoided", json::array()}});
  for (int i = 0; i < 2; ++i) EXPECT_THAT(osteon("doctor --json").err, HasSubstr("float32"));
}

TEST_F(Kernels, AreTestedOnceMoreWhenAsked) {
  remember({{"tested", true}, {"held_to", ""}, {"faults", faulty("float32")}, {"avoided", json::array()}});
  const Outcome doctor = osteon("doctor --retest --json");
  EXPECT_EQ(doctor.exit_code, doctor_.exit_code) << doctor.err;
  EXPECT_EQ(json::parse(doctor.out).at("engine").at("kernels"), json::parse(doctor_.out).at("engine").at("kernels"));
}

}  // namespace
}  // namespace osteon::test
