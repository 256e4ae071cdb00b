// SPDX-License-Identifier: Apache-2.0
// The road through the program on a CUDA device, where there is one: training, resume, evaluation, prediction.
#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "support/program.hpp"
#include "weights/safetensors.hpp"

namespace osteon::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;

Outcome osteon(const std::string& arguments) { return run_program(OSTEON_PROGRAM, arguments); }

bool has_cuda() {
  static const bool has = [] {
    const Outcome doctor = osteon("doctor --json");
    return doctor.exit_code == 0 && json::parse(doctor.out).at("engine").at("cuda").at("available").get<bool>();
  }();
  return has;
}

class Cuda : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new TemporaryFolder();
    const Outcome outcome = osteon("phantom " + path("data") + " --patients 8 --test-patients 1 --size 128");
    ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
    write_text(path("recipe.toml"),
               std::string("recipe = 1\nextends = \"") + OSTEON_SOURCE_DIR +
                   "/configs/base/hand29.toml\"\n[data]\nroot = \"data\"\nimage_size = 96\nfolds = 4\n"
                   "[model]\nplugin = \"unet\"\nencoder = \"resnet18\"\nwidth = 0.25\n"
                   "decoder_channels = [32, 32, 16, 16, 16]\nprior = 0.02\n"
                   "[[augment]]\nplugin = \"horizontal_flip\"\np = 0.5\n"
                   "[[loss]]\nplugin = \"bce\"\n[[loss]]\nplugin = \"dice\"\n"
                   "[train]\nepochs = 3\nbatch_size = 4\naccumulate = 2\nema = 0.5\ngradient_clip = 1.0\n"
                   "[train.optimizer]\nlr = 1e-3\n[[predict.post]]\nplugin = \"tta\"\n");
  }
  static void TearDownTestSuite() { delete folder_; }

  static std::string path(const std::string& name) { return (*folder_ / name).string(); }

  static Outcome train(const std::string& run, const std::string& settings) {
    return osteon("train " + path("recipe.toml") + " " + settings + " --out " + path(run));
  }
  static std::vector<json> epochs_of(const std::string& run) {
    std::istringstream log(slurp(path(run + "/metrics.jsonl")));
    std::vector<json> lines;
    for (std::string line; std::getline(log, line);) lines.push_back(json::parse(line));
    return lines;
  }
  static TemporaryFolder* folder_;
};
TemporaryFolder* Cuda::folder_ = nullptr;

const char* const kOnCuda = "--set 'train.device=\"cuda\"'";

TEST_F(Cuda, IsAnErrorWithAWayOutWhereItIsAskedForAndNotThere) {
  if (has_cuda()) GTEST_SKIP() << "there is a CUDA device";
  const Outcome training = train("none", kOnCuda);
  EXPECT_EQ(training.exit_code, 2);
  EXPECT_THAT(training.err, HasSubstr("train.device is \"cuda\""));
  EXPECT_THAT(training.err, HasSubstr("osteon doctor"));
  ASSERT_EQ(train("kept", "--set train.epochs=0").exit_code, 0);
  const Outcome predicting = osteon("predict " + path("kept") + " " + path("data/test/DCM") + " --out " + path("out") +
                                    " --set 'predict.device=\"cuda\"'");
  EXPECT_EQ(predicting.exit_code, 2);
  EXPECT_THAT(predicting.err, HasSubstr("predict.device is \"cuda\""));
  EXPECT_EQ(osteon("recipe check " + path("recipe.toml") + " --set 'predict.device=\"gpu\"'").exit_code, 2);
}

TEST_F(Cuda, TrainsAsTheCpuDoes) {
  if (!has_cuda()) GTEST_SKIP() << "there is no CUDA device";
  ASSERT_EQ(train("cpu", "--set 'train.device=\"cpu\"'").exit_code, 0);
  const std::vector<json> expected = epochs_of("cpu");
  for (const char* precision : {"fp32", "tf32", "amp"}) {
    SCOPED_TRACE(precision);
    const Outcome outcome = train(precision, std::string(kOnCuda) + " --set 'train.precision=\"" + precision + "\"'");
    ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
    const std::vector<json> got = epochs_of(precision);
    ASSERT_EQ(got.size(), expected.size());
    for (std::size_t i = 0; i < got.size(); ++i) {
      const double loss = expected[i].at("loss").get<double>();
      EXPECT_NEAR(got[i].at("loss").get<double>(), loss, 0.02 * loss) << "epoch " << i + 1;
      EXPECT_TRUE(got[i].contains("dice")) << "validated on the device";
    }
  }
}

TEST_F(Cuda, GoesOnAfterAnInterruption) {
  if (!has_cuda()) GTEST_SKIP() << "there is no CUDA device";
  const std::string settings = std::string(kOnCuda) + " --set train.epochs=6 --set 'train.precision=\"amp\"'";
  ASSERT_EQ(train("whole", settings).exit_code, 0);
  const std::string run = path("interrupted");
  const Outcome outcome = run_interrupted(
      OSTEON_PROGRAM, "train " + path("recipe.toml") + " " + settings + " --out " + run,
      [&] { return !slurp(run + "/metrics.jsonl").empty(); }, [&] { fs::remove_all(run); });
  ASSERT_EQ(outcome.exit_code, 130) << outcome.err;
  const Outcome resumed = osteon("train --resume " + run);
  ASSERT_EQ(resumed.exit_code, 0) << resumed.err;
  const std::vector<json> expected = epochs_of("whole"), got = epochs_of("interrupted");
  ASSERT_EQ(got.size(), expected.size());
  const double loss = expected.back().at("loss").get<double>();
  EXPECT_NEAR(got.back().at("loss").get<double>(), loss, 0.05 * loss);
  EXPECT_EQ(got.back().at("steps"), expected.back().at("steps"));
}

TEST_F(Cuda, PredictsAndEvaluatesAsTheCpuDoes) {
  if (!has_cuda()) GTEST_SKIP() << "there is no CUDA device";
  ASSERT_EQ(train("run", kOnCuda).exit_code, 0);
  const auto predict = [&](const std::string& device) {
    const Outcome outcome =
        osteon("predict " + path("run") + " " + path("data/test/DCM") + " --format csv,probabilities --out " +
               path("out_" + device) + " --plan --set 'predict.device=\"" + device + "\"'");
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_EQ(outcome.err.find("on cuda:0") != std::string::npos, device == "cuda") << outcome.err;
  };
  predict("cpu");
  predict("cuda");
  int files = 0;
  for (const auto& entry : fs::directory_iterator(path("out_cpu/probabilities"))) {
    ++files;
    const weights::SafetensorsFile expected(entry.path()),
        got(fs::path(path("out_cuda/probabilities")) / entry.path().filename());
    const weights::TensorData &a = *expected.find("probabilities"), &b = *got.find("probabilities");
    ASSERT_EQ(a.shape, b.shape);
    float greatest = 0;
    for (std::uint64_t at = 0; at < a.size; at += sizeof(float)) {
      float x, y;
      std::memcpy(&x, a.data + at, sizeof x);
      std::memcpy(&y, b.data + at, sizeof y);
      greatest = std::max(greatest, std::abs(x - y));
    }
    EXPECT_LE(greatest, 1e-3f) << entry.path();
  }
  EXPECT_GT(files, 0);
  const auto dice = [&](const std::string& device) {
    const Outcome outcome = osteon("evaluate " + path("run") + " --json --set 'predict.device=\"" + device + "\"'");
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    return json::parse(outcome.out).at("dice").at("mean").get<double>();
  };
  EXPECT_NEAR(dice("cuda"), dice("cpu"), 1e-3);
}

TEST_F(Cuda, GivesRawLogits) {
  if (!has_cuda()) GTEST_SKIP() << "there is no CUDA device";
  std::vector<float> x(3 * 64 * 64);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = std::sin(static_cast<float>(i) * 0.37f);
  weights::write_safetensors(
      path("x.safetensors"),
      {{"x", "F32", {1, 3, 64, 64}, reinterpret_cast<const std::byte*>(x.data()), x.size() * sizeof(float)}});
  std::vector<std::vector<float>> logits;
  for (const std::string device : {"cpu", "cuda"}) {
    const Outcome outcome =
        osteon("model forward " + path("recipe.toml") + " --input " + path("x.safetensors") + " --output " +
               path(device + ".safetensors") + " --set 'predict.device=\"" + device + "\"'");
    ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
    const weights::SafetensorsFile file(path(device + ".safetensors"));
    const weights::TensorData& data = *file.find("logits");
    std::memcpy(logits.emplace_back(data.size / sizeof(float)).data(), data.data, data.size);
  }
  const auto [low, high] = std::minmax_element(logits[0].begin(), logits[0].end());
  for (std::size_t i = 0; i < logits[0].size(); ++i)
    ASSERT_NEAR(logits[1][i], logits[0][i], 1e-4f * (*high - *low)) << i;
}

}  // namespace
}  // namespace osteon::test
