// SPDX-License-Identifier: Apache-2.0
// What is fitted, from the recipe to the run folder and back, and what one bad file does to the others. The models are
// as they begin: nothing here takes training.
#include <cmath>
#include <cstring>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <opencv2/imgcodecs.hpp>

#include "support/program.hpp"
#include "weights/safetensors.hpp"

namespace osteon::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;

Outcome osteon(const std::string& arguments) {
  return run_program(std::string("OMP_NUM_THREADS=1 ") + OSTEON_PROGRAM, arguments);
}

class Fit : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new TemporaryFolder();
    const Outcome outcome = osteon("phantom " + path("data") + " --patients 4 --test-patients 1 --size 64");
    ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
    write_text(path("recipe.toml"), recipe("", "[[predict.post]]\nplugin = \"temperature\"\nper_class = true\n"));
    const Outcome trained = osteon("train " + path("recipe.toml") + " --out " + path("run"));
    ASSERT_EQ(trained.exit_code, 0) << trained.err;
  }
  static void TearDownTestSuite() { delete folder_; }
  static std::string path(const std::string& name) { return (*folder_ / name).string(); }
  static std::string data_section(const std::string& classes) {
    return std::string("recipe = 1\nextends = \"") + OSTEON_SOURCE_DIR +
           "/configs/base/hand29.toml\"\n[data]\nroot = \"data\"\nimage_size = 64\nfolds = 2\n" + classes;
  }
  static std::string recipe(const std::string& classes, const std::string& post) {
    return data_section(classes) +
           "[model]\nplugin = \"unet\"\nencoder = \"resnet18\"\nwidth = 0.125\ndecoder_channels = [16, 16, 8, 8, 8]\n"
           "[train]\nepochs = 0\n" +
           post;
  }
  static std::string ensemble(const std::string& plugin, const std::vector<std::string>& members,
                              const std::string& post) {
    std::string text = data_section("") + "[ensemble]\nplugin = \"" + plugin + "\"\n";
    for (const std::string& member : members) text += "[[ensemble.member]]\nrun = \"" + member + "\"\n";
    return text + post;
  }
  /// With the post-processor and the ensembler of the tests.
  static Outcome with_fixtures(const std::string& arguments) {
    fs::create_directories(path("plugins"));
    fs::copy_file(fs::path(OSTEON_FIXTURE_PLUGINS) / "picky.so", path("plugins/picky.so"),
                  fs::copy_options::skip_existing);
    return run_program("OMP_NUM_THREADS=1 OSTEON_PLUGIN_PATH=" + path("plugins") + " " + OSTEON_PROGRAM, arguments);
  }
  static TemporaryFolder* folder_;
};
TemporaryFolder* Fit::folder_ = nullptr;

TEST_F(Fit, LeavesWhatWasLearntInTheRun) {
  const weights::SafetensorsFile fitted(path("run/fitted.safetensors"));
  const weights::TensorData* temperatures = fitted.find("post.0.temperature");
  ASSERT_NE(temperatures, nullptr);
  EXPECT_EQ(temperatures->shape, (std::vector<std::int64_t>{29}));
  EXPECT_EQ(fitted.metadata().at("post.0"), "temperature");
  const json info = json::parse(slurp(path("run/run.json")));
  EXPECT_EQ(info.at("fitted").at(0).at("part"), "post.0");
  EXPECT_EQ(info.at("fitted").at(0).at("images"), 4) << "those of two of the four patients";
  const Outcome outcome = osteon("evaluate " + path("run") + " --json");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
}

TEST_F(Fit, IsOfTheClassesThatItActsOn) {
  write_text(path("some.toml"), recipe("",
                                       "[[predict.post]]\nplugin = \"temperature\"\nper_class = true\n"
                                       "classes = [\"Radius\", \"finger-1\"]\n"));
  const Outcome trained = osteon("train " + path("some.toml") + " --out " + path("some"));
  ASSERT_EQ(trained.exit_code, 0) << trained.err;
  const weights::SafetensorsFile fitted(path("some/fitted.safetensors")), all(path("run/fitted.safetensors"));
  const weights::TensorData *own = fitted.find("post.0.temperature"), *of_all = all.find("post.0.temperature");
  ASSERT_NE(own, nullptr);
  ASSERT_EQ(own->shape, std::vector<std::int64_t>{2}) << "in the data's order";
  EXPECT_EQ(std::memcmp(own->data, of_all->data, 8), 0) << "finger-1 has what it has among all";
  EXPECT_EQ(std::memcmp(own->data + 8, of_all->data + 27 * 8, 8), 0) << "so has the Radius";
  const std::string predict = "predict " + path("some") + " " + path("data/test/DCM") + " --out " + path("masks");
  EXPECT_EQ(osteon(predict).exit_code, 0);
  const Outcome other = osteon(predict + " --set 'predict.post[0].classes=[\"Radius\", \"Ulna\"]'");
  EXPECT_EQ(other.exit_code, 2);
  EXPECT_THAT(other.err, HasSubstr("was fitted on other `classes`"));
}

TEST_F(Fit, IsAskedForWhereItIsMissing) {
  fs::copy(path("run"), path("unfitted"), fs::copy_options::recursive);
  fs::remove(path("unfitted/fitted.safetensors"));
  const std::string predict = "predict " + path("unfitted") + " " + path("data/test/DCM") + " --out " + path("masks");
  const Outcome outcome = osteon(predict);
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("post-processor 'temperature' (predict.post[0]) has to be fitted"));
  EXPECT_THAT(outcome.err, HasSubstr("osteon train --resume " + path("unfitted")));
  const Outcome without = osteon(predict + " --set 'predict.post=[]'");
  EXPECT_EQ(without.exit_code, 0) << without.err;
  // What lies at another one's place is not taken for its own.
  const Outcome moved = osteon("predict " + path("run") + " " + path("data/test/DCM") + " --out " + path("masks") +
                               " --set 'predict.post=[{plugin=\"tta\"},{plugin=\"temperature\",per_class=true}]'");
  EXPECT_EQ(moved.exit_code, 2);
  EXPECT_THAT(moved.err, HasSubstr("(predict.post[1]) has to be fitted, and this run has no fitted state for it"));
}

TEST_F(Fit, IsRefusedWhereItIsNotFinite) {
  fs::copy(path("run"), path("nan"), fs::copy_options::recursive);
  std::string bytes = slurp(path("nan/fitted.safetensors"));
  const double nan = std::nan("");
  std::memcpy(bytes.data() + bytes.size() - sizeof nan, &nan, sizeof nan);
  write_text(path("nan/fitted.safetensors"), bytes);
  const Outcome outcome =
      osteon("predict " + path("nan") + " " + path("data/test/DCM") + " --out " + path("nan_masks"));
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_THAT(outcome.err, HasSubstr("fitted.safetensors: "));
  EXPECT_THAT(outcome.err, HasSubstr("not finite"));
  EXPECT_THAT(outcome.err, HasSubstr("temperature (1 of 29 values)"));
}

TEST_F(Fit, IsNotNeededByAMeanOfMembersThatHaveSomeOfTheClasses) {
  write_text(path("wrist.toml"), recipe("classes = [\"Ulna\", \"Radius\"]\n", ""));
  ASSERT_EQ(osteon("train " + path("wrist.toml") + " --out " + path("wrist")).exit_code, 0);
  write_text(path("mean.toml"), ensemble("soft_voting", {"run", "wrist"}, ""));
  const Outcome outcome = osteon("train " + path("mean.toml") + " --out " + path("mean"));
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_FALSE(fs::exists(path("mean/fitted.safetensors")));
  const Outcome evaluated = osteon("evaluate " + path("mean") + " --json");
  EXPECT_EQ(evaluated.exit_code, 0) << evaluated.err;
  const Outcome narrow =
      osteon("train " + path("mean.toml") + " --out " + path("narrow") + " --set 'data.classes=[\"Ulna\",\"Radius\"]'");
  EXPECT_EQ(narrow.exit_code, 2);
  EXPECT_THAT(narrow.err, HasSubstr("has the class 'finger-1', which data.classes does not have"));
}

// Of what a member was trained on it has nothing to say, and a post-processor above sees only what is new to all.
TEST_F(Fit, IsDoneForAnEnsembleOnImagesThatAreNewToItsMembers) {
  const Outcome trained = osteon("train " + path("recipe.toml") + " --out " + path("seen") +
                                 " --set predict.post=[] --set train.epochs=1 --set 'loss=[{plugin=\"bce\"}]'");
  ASSERT_EQ(trained.exit_code, 0) << trained.err;
  write_text(path("counts.toml"), ensemble("counts", {"seen", "run"}, "[[predict.post]]\nplugin = \"learns_above\"\n"));
  const Outcome fitted = with_fixtures("train " + path("counts.toml") + " --out " + path("counts"));
  ASSERT_EQ(fitted.exit_code, 0) << fitted.err;
  const json info = json::parse(slurp(path("counts/run.json")));
  EXPECT_EQ(info.at("fitted").at(0), (json{{"part", "ensembler"}, {"plugin", "counts"}, {"images", 8}}));
  EXPECT_EQ(info.at("fitted").at(1), (json{{"part", "post.0"}, {"plugin", "learns_above"}, {"images", 4}}));
  const Outcome predicted = with_fixtures("predict " + path("counts") + " " + path("data/test/DCM") + " --out " +
                                          path("counted") + " --json");
  ASSERT_EQ(predicted.exit_code, 0) << predicted.err;
  const json notes = json::parse(predicted.out).at("images").at(0).at("notes");
  EXPECT_EQ(notes.at("ensembler/counts"), (json{{"member0", 4.0}, {"member1", 8.0}}));
  EXPECT_TRUE(notes.at("post.0/learns_above").at("seen").is_number()) << notes.dump();
  const Outcome evaluated = with_fixtures("evaluate " + path("counts") + " --json");
  ASSERT_EQ(evaluated.exit_code, 0) << evaluated.err;
  const json result = json::parse(evaluated.out);
  EXPECT_EQ(result.at("per_image").at(1).at("notes"), (json{{"post.0/learns_above", notes.at("post.0/learns_above")}}));
  EXPECT_EQ(result.at("notes").at("ensembler/counts").at("member0"), 4.0);

  write_text(path("twice.toml"),
             ensemble("counts", {"seen", "other"}, "[[predict.post]]\nplugin = \"learns_above\"\n"));
  ASSERT_EQ(osteon("train " + path("recipe.toml") + " --out " + path("other") +
                   " --set predict.post=[] --set train.epochs=1 --set 'loss=[{plugin=\"bce\"}]' --set data.fold=1")
                .exit_code,
            0);
  const Outcome refused = with_fixtures("train " + path("twice.toml") + " --out " + path("twice"));
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(refused.err,
              HasSubstr("has to be fitted on images that no member was trained on, and data.root has none"));
}

TEST_F(Fit, NamesABadFileAndPredictsTheOthers) {
  fs::create_directories(path("inputs"));
  cv::Mat grey(50, 40, CV_8U);
  cv::randu(grey, 0, 255);
  for (const char* name : {"a.png", "b.png", "c.png"}) cv::imwrite(path("inputs/") + name, grey);
  fs::resize_file(path("inputs/b.png"), fs::file_size(path("inputs/b.png")) / 2);
  const std::string command =
      "predict " + path("run") + " " + path("inputs") + " --out " + path("out") + " --format csv,png --json";
  const Outcome outcome = osteon(command);
  EXPECT_EQ(outcome.exit_code, 3) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("b.png"));
  const json result = json::parse(outcome.out);
  EXPECT_EQ(result.at("failed"), 1);
  ASSERT_EQ(result.at("images").size(), 3u);
  EXPECT_THAT(result.at("images").at(1).at("error").at("message"), HasSubstr("cut off"));
  EXPECT_FALSE(result.at("images").at(2).contains("error"));
  EXPECT_TRUE(fs::exists(path("out/masks/c/Radius.png")));
  const std::string csv = slurp(path("out/submission.csv"));
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 1 + 2 * 29);
  EXPECT_EQ(osteon(command + " --set data.on_broken=skip").exit_code, 0);
  fs::remove(path("inputs/a.png"));
  fs::remove(path("inputs/c.png"));
  EXPECT_EQ(osteon(command + " --set data.on_broken=skip").exit_code, 3) << "there was nothing left to predict";
}

}  // namespace
}  // namespace osteon::test
