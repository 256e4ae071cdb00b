// SPDX-License-Identifier: Apache-2.0
// Runs that are named more than once, and what their models take.
#include <cstring>
#include <map>

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

constexpr char kSmall[] = "encoder = \"resnet18\"\nwidth = 0.125\ndecoder_channels = [16, 16, 8, 8, 8]\n";

class SharedModels : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new TemporaryFolder();
    fs::create_directories(path("plugins"));
    fs::copy_file(fs::path(OSTEON_FIXTURE_PLUGINS) / "picky.so", path("plugins/picky.so"));
    ASSERT_EQ(osteon("phantom " + path("data") + " --patients 2 --test-patients 1 --size 64").exit_code, 0);
    // 14 million parameters: what a second one takes is seen beside all else.
    train("crop", model("encoder = \"resnet18\"\n", "[train]\nepochs = 0\nseed = 1\n"), "");
    train("other", model("encoder = \"resnet18\"\n", "[train]\nepochs = 0\nseed = 2\n"), "");
    fs::copy(path("crop"), path("copy"), fs::copy_options::recursive);
    for (const char* name : {"m0", "m1", "m2"})
      train(name, model(kSmall, std::string("[train]\nepochs = 0\nseed = ") + name[1] + "\n"), asks("crop", "copy"));
  }
  static void TearDownTestSuite() { delete folder_; }

  static std::string path(const std::string& name) { return (*folder_ / name).string(); }
  static Outcome osteon(const std::string& arguments) {
    return run_program("OMP_NUM_THREADS=1 OSTEON_PLUGIN_PATH=" + path("plugins") + " " + OSTEON_PROGRAM, arguments);
  }
  static std::string data(const std::string& more = {}) {
    return std::string("recipe = 1\nextends = \"") + OSTEON_SOURCE_DIR +
           "/configs/base/hand29.toml\"\n[data]\nroot = \"data\"\nimage_size = 64\nfolds = 2\n" + more;
  }
  static std::string model(const std::string& of_model, const std::string& train, const std::string& of_data = {}) {
    return data(of_data) + "[model]\nplugin = \"unet\"\n" + of_model + train;
  }
  static std::string asks(const std::string& first, const std::string& second) {
    return "[[predict.post]]\nplugin = \"asks_others\"\nfirst = \"" + first + "\"\nsecond = \"" + second + "\"\n";
  }
  static std::string mean_of(const std::vector<std::string>& members, const std::string& post = {}) {
    std::string text = data() + "[ensemble]\nplugin = \"soft_voting\"\n";
    for (const std::string& member : members) text += "[[ensemble.member]]\nrun = \"" + member + "\"\n";
    return text + post;
  }
  static void train(const std::string& name, const std::string& recipe, const std::string& post) {
    write_text(path(name + ".toml"), recipe + post);
    const Outcome outcome = osteon("train " + path(name + ".toml") + " --out " + path(name));
    ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  }
  /// [classes, height, width] of each image, by name.
  static std::vector<std::vector<float>> probabilities(const std::string& out) {
    std::map<std::string, std::vector<float>> by_name;
    for (const auto& entry : fs::directory_iterator(out + "/probabilities")) {
      const weights::SafetensorsFile file(entry.path());
      std::vector<float>& values = by_name[entry.path().filename().string()];
      values.resize(file.tensors().at(0).size / sizeof(float));
      std::memcpy(values.data(), file.tensors().at(0).data, values.size() * sizeof(float));
    }
    std::vector<std::vector<float>> all;
    for (auto& [name, values] : by_name) all.push_back(std::move(values));
    return all;
  }
  /// Whichever way of running a model each process found the fastest.
  static void expect_alike(const std::vector<std::vector<float>>& found,
                           const std::vector<std::vector<float>>& expected) {
    ASSERT_EQ(found.size(), expected.size());
    ASSERT_FALSE(found.empty());
    for (std::size_t i = 0; i < found.size(); ++i)
      EXPECT_THAT(found[i], ::testing::Pointwise(::testing::FloatNear(1e-4f), expected[i]));
  }
  struct Predicted {
    json models;
    std::string err;
    std::vector<std::vector<float>> probabilities;  // of each image
    long peak_mib = 0;                              // of all programs so far
  };
  static Predicted predict(const std::string& run, const std::string& more = {}) {
    const Outcome outcome = osteon("predict " + path(run) + " " + path("data/test/DCM") + " --out " + path("out") +
                                   " --format probabilities --json " + more);
    Predicted predicted;
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    if (outcome.exit_code != 0) return predicted;
    predicted.models = json::parse(outcome.out).at("models");
    predicted.probabilities = probabilities(path("out"));
    predicted.err = outcome.err;
    rusage usage{};
    ::getrusage(RUSAGE_CHILDREN, &usage);
    predicted.peak_mib = usage.ru_maxrss / 1024;
    return predicted;
  }
  static TemporaryFolder* folder_;
};
TemporaryFolder* SharedModels::folder_ = nullptr;

json counts(int distinct, int opened, int given_up) {
  return {{"distinct", distinct}, {"opened", opened}, {"given_up", given_up}};
}

TEST_F(SharedModels, AreOneForARunThatIsNamedTwice) {
  train("once", mean_of({"crop"}), "");
  train("twice", mean_of({"crop", "copy", "crop"}), "");
  const Predicted once = predict("once"), twice = predict("twice");
  EXPECT_EQ(once.models, counts(1, 1, 0));
  EXPECT_EQ(twice.models, once.models) << "a copy of a run is the run";
  expect_alike(twice.probabilities, once.probabilities);
  EXPECT_LE(twice.peak_mib, once.peak_mib + 10);
}

// The members' chains and the ensemble's own ask one model.
TEST_F(SharedModels, AreOneBeneathAllMembersThatNameIt) {
  train("tree", mean_of({"m0", "m1", "m2"}, asks("crop", "m1")), "");
  EXPECT_EQ(predict("tree").models, counts(4, 4, 0));
}

// Every image needs both models in turn, and there is room for one.
TEST_F(SharedModels, TakeTurnsWhereThereIsNoRoomForAll) {
  train("pair", mean_of({"crop", "other"}), "");
  const Predicted all = predict("pair");
  EXPECT_EQ(all.models, counts(2, 2, 0));
  const Predicted turns = predict("pair", "--set predict.memory_mb=100");
  expect_alike(turns.probabilities, all.probabilities);
  EXPECT_EQ(turns.models.at("distinct"), 2);
  EXPECT_GT(turns.models.at("given_up"), 1);
  EXPECT_EQ(turns.models.at("opened").get<int>() - turns.models.at("given_up").get<int>(), 1);
  EXPECT_THAT(turns.err, HasSubstr("crop: given up for predict.memory_mb"));
  EXPECT_THAT(predict("pair", "--set predict.memory_mb=1").err, HasSubstr("more than predict.memory_mb allows"));
}

TEST_F(SharedModels, AreLookedAtBeforeAnythingIsWritten) {
  train("whole", mean_of({"crop", "copy", "other"}), "");
  const std::string file = path("other/model.safetensors"), kept = slurp(file);
  const auto refused = [&](const std::string& why) {
    const Outcome outcome =
        osteon("predict " + path("whole") + " " + path("data/test/DCM") + " --out " + path("nothing"));
    EXPECT_EQ(outcome.exit_code, 3);
    EXPECT_THAT(outcome.err, HasSubstr(file));
    EXPECT_THAT(outcome.err, HasSubstr(why));
    EXPECT_FALSE(fs::exists(path("nothing/submission.csv")));
    EXPECT_FALSE(fs::exists(path("nothing/masks")));
    return osteon("train " + path("whole.toml") + " --out " + path("again") + " --overwrite").exit_code;
  };
  write_text(file, kept.substr(0, 100));
  EXPECT_EQ(refused("header"), 3);
  fs::remove(file);
  EXPECT_EQ(refused("its weights are gone"), 3);
  // That they are another model's shows when they are read, which an ensemble with nothing to fit does not need.
  fs::copy_file(path("m0/model.safetensors"), file);
  EXPECT_EQ(refused(""), 0);
  write_text(file, kept);
}

// A mean is over those members that have a class, by its name.
TEST_F(SharedModels, AreAskedForTheClassesThatTheyHave) {
  train("wrist", model(kSmall, "[train]\nepochs = 0\nseed = 5\n", "classes = [\"Ulna\", \"Radius\"]\n"), "");
  train("both", mean_of({"m0", "wrist"}), "");
  const auto of = [](const std::string& run) { return predict(run, "--set predict.post=[]").probabilities; };
  const auto all = of("m0"), some = of("wrist");
  constexpr std::size_t kClasses = 29, kPixels = 64 * 64;
  std::vector<std::vector<float>> expected = all;
  for (std::size_t i = 0; i < all.size(); ++i) {
    ASSERT_EQ(all[i].size(), kClasses * kPixels);
    ASSERT_EQ(some.at(i).size(), 2 * kPixels);
    // hand29 ends with Radius and Ulna; the other run has them the other way round.
    for (std::size_t c = 27; c < kClasses; ++c)
      for (std::size_t p = 0; p < kPixels; ++p)
        expected[i][c * kPixels + p] = (all[i][c * kPixels + p] + some[i][(28 - c) * kPixels + p]) / 2;
  }
  expect_alike(of("both"), expected);
}

}  // namespace
}  // namespace osteon::test
