// SPDX-License-Identifier: Apache-2.0
// `osteon post run`, `osteon post preview`, stored probabilities, and what `predict` says of masks that look wrong.
#include <cmath>
#include <cstring>
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <opencv2/imgcodecs.hpp>

#include <osteon/sdk/half.hpp>

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

class PostVerbs : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new TemporaryFolder();
    image_.clear();
    const Outcome outcome = osteon("phantom " + path("data") + " --patients 4 --test-patients 1 --size 64");
    ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
    write_text(path("recipe.toml"),
               std::string("recipe = 1\nextends = \"") + OSTEON_SOURCE_DIR +
                   "/configs/base/hand29.toml\"\n[data]\nroot = \"data\"\nimage_size = 64\nfolds = 2\n"
                   "[model]\nplugin = \"unet\"\nencoder = \"resnet18\"\nwidth = 0.125\n"
                   "decoder_channels = [16, 16, 8, 8, 8]\n[[loss]]\nplugin = \"bce\"\n"
                   "[train]\nepochs = 1\nbatch_size = 2\n"
                   "[[predict.post]]\nplugin = \"components\"\n");
    const Outcome trained = osteon("train " + path("recipe.toml") + " --out " + path("run"));
    ASSERT_EQ(trained.exit_code, 0) << trained.err;
    for (const auto& entry : fs::recursive_directory_iterator(path("data/test/DCM")))
      if (entry.path().extension() == ".png" && (image_.empty() || entry.path().string() < image_))
        image_ = entry.path().string();
  }
  static void TearDownTestSuite() { delete folder_; }
  static std::string path(const std::string& name) { return (*folder_ / name).string(); }
  // Its stem's probabilities in a folder of outputs.
  static std::string probabilities_in(const std::string& out) {
    return path(out) + "/probabilities/" + fs::path(image_).stem().string() + ".safetensors";
  }
  /// Probabilities of `classes` classes: a square of 0.9, and a pixel of 0.8 apart from it, in class 0 and nothing
  /// else.
  static std::string square(int classes, const std::string& name) {
    std::vector<float> values(static_cast<std::size_t>(classes) * 64 * 64, 0.1f);
    for (int y = 10; y < 20; ++y)
      for (int x = 10; x < 20; ++x) values[static_cast<std::size_t>(y * 64 + x)] = 0.9f;
    values[40 * 64 + 40] = 0.8f;
    weights::write_safetensors(path(name), {{"probabilities",
                                             "F32",
                                             {1, classes, 64, 64},
                                             reinterpret_cast<const std::byte*>(values.data()),
                                             values.size() * sizeof(float)}});
    return path(name);
  }
  static std::vector<float> values_of(const std::string& file) {
    const weights::SafetensorsFile opened(file);
    const weights::TensorData* tensor = opened.find("probabilities");
    EXPECT_EQ(tensor->dtype, "F32");
    std::vector<float> values(tensor->size / sizeof(float));
    std::memcpy(values.data(), tensor->data, tensor->size);
    return values;
  }
  static void expect_refused(const std::string& arguments, int code, const std::string& text) {
    const Outcome outcome =
        osteon("post run " + arguments + " --image " + image_ + " --output " + path("no.safetensors"));
    EXPECT_EQ(outcome.exit_code, code) << arguments;
    EXPECT_THAT(outcome.err, HasSubstr(text)) << arguments;
    EXPECT_FALSE(fs::exists(path("no.safetensors")));
  }
  static json parsed(const Outcome& outcome) {
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    return json::parse(outcome.out);
  }

  static TemporaryFolder* folder_;
  static std::string image_;
};
TemporaryFolder* PostVerbs::folder_ = nullptr;
std::string PostVerbs::image_;
class LongPostVerbs : public PostVerbs {};

TEST_F(PostVerbs, RunOnePostProcessorOverStoredProbabilities) {
  const std::string common = "post run components --image " + image_ + " --output " + path("q.safetensors");
  const json result = parsed(osteon(common + " --probabilities " + square(3, "p.safetensors") + " --json"));
  EXPECT_EQ(result.at("areas").at("class-0"), (json{{"before", 101}, {"after", 100}, {"added", 0}, {"removed", 1}}));
  const std::vector<float> values = values_of(path("q.safetensors"));
  ASSERT_EQ(values.size(), 3u * 64 * 64);
  EXPECT_EQ(values[10 * 64 + 10], 1);
  EXPECT_EQ(values[40 * 64 + 40], 0);
  // Parameters and classes by --set, names by a recipe.
  const json kept = parsed(
      osteon(common + " --probabilities " + path("p.safetensors") + " --set keep_largest=0 --set min_area=1 --json"));
  EXPECT_EQ(kept.at("areas").at("class-0").at("after"), 101);
  const json named = parsed(osteon(common + " --probabilities " + square(29, "p29.safetensors") + " --recipe " +
                                   path("run/recipe.toml") + " --set 'classes=[\"Radius\"]' --json"));
  EXPECT_EQ(named.at("areas").at("finger-1").at("after"), 101) << "it acts on another class";
}

TEST_F(PostVerbs, RefuseWhatCannotBeRun) {
  const std::string file = square(3, "p.safetensors");
  expect_refused("componnents --probabilities " + file, 2, "did you mean 'components'?");
  expect_refused("components --probabilities " + file + " --set min_aera=3", 2, "min_area");
  expect_refused("components --probabilities " + file + " --set 'classes=[\"class-7\"]'", 2,
                 "names the class 'class-7'");
  expect_refused("components --probabilities " + image_, 3, image_);
  expect_refused("tta --probabilities " + file + " --set 'transforms=[\"hflip\"]'", 2, "images of its own making");
}

TEST_F(LongPostVerbs, RefuseWhatCannotBeRun) {
  const std::string file = square(3, "p.safetensors");
  expect_refused("components --probabilities " + file + " --recipe " + path("run/recipe.toml"), 3, "[1, 3, 64, 64]");
  expect_refused("temperature --probabilities " + file, 2, "has to be fitted");
}

TEST_F(LongPostVerbs, RunWhatPredictStored) {
  const std::string predict =
      "predict " + path("run") + " " + image_ + " --set 'predict.post=[]' --format probabilities";
  ASSERT_EQ(osteon(predict + " --out " + path("whole")).exit_code, 0);
  ASSERT_EQ(osteon(predict + " --out " + path("half") + " --probabilities-dtype float16").exit_code, 0);
  const weights::SafetensorsFile whole(probabilities_in("whole")), half(probabilities_in("half"));
  const weights::TensorData *a = whole.find("probabilities"), *b = half.find("probabilities");
  EXPECT_EQ(a->dtype, "F32");
  EXPECT_EQ(b->dtype, "F16");
  ASSERT_EQ(b->shape, (std::vector<std::int64_t>{1, 29, 64, 64}));
  for (std::size_t i = 0; i < b->size / 2; ++i) {
    float wide = 0;
    std::uint16_t narrow = 0;
    std::memcpy(&wide, a->data + 4 * i, 4);
    std::memcpy(&narrow, b->data + 2 * i, 2);
    ASSERT_EQ(narrow, sdk::half_from_float(wide));
  }
  const Outcome outcome = osteon("post run guided_filter --set radius=2 --image " + image_ + " --probabilities " +
                                 probabilities_in("half") + " --output " + path("q16.safetensors"));
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  for (const float value : values_of(path("q16.safetensors"))) ASSERT_TRUE(value >= 0 && value <= 1);
  EXPECT_EQ(osteon("predict " + path("run") + " " + image_ + " --out " + path("x") + " --probabilities-dtype float16")
                .exit_code,
            2)
      << "of probabilities that nobody asked for";
}

TEST_F(PostVerbs, PreviewDrawsEveryStage) {
  const json result = parsed(osteon("post preview " + path("run") + " " + image_ + " --out " + path("sheet.png") +
                                    " --set predict.threshold=0.05 --json"));
  const cv::Mat sheet = cv::imread(path("sheet.png"));
  EXPECT_EQ(sheet.rows, result.at("height"));
  EXPECT_EQ(sheet.cols, result.at("width"));
  ASSERT_EQ(result.at("stages").size(), 2u);
  EXPECT_EQ(result.at("stages")[0].at("name"), "model 'unet' alone");
  EXPECT_EQ(result.at("stages")[1].at("name"), "after components (predict.post[0])");
  EXPECT_EQ(result.at("stages")[1].at("added"), 0);
  std::int64_t before = 0, after = 0;
  for (const auto& [name, area] : result.at("stages")[0].at("areas").items()) before += area.get<std::int64_t>();
  for (const auto& [name, area] : result.at("stages")[1].at("areas").items()) after += area.get<std::int64_t>();
  EXPECT_EQ(before - after, result.at("stages")[1].at("removed"));
  EXPECT_EQ(osteon("post preview " + path("run") + " " + image_ + " --out " + path("sheet.jpg")).exit_code, 2);
}

TEST_F(PostVerbs, PredictSaysWhatLooksWrong) {
  const json info = json::parse(slurp(path("run/run.json")));
  EXPECT_EQ(info.at("labels").at("classes").at("Radius").at("area").at("images"), 4) << "of two patients";
  EXPECT_GT(info.at("labels").at("foreground").at("most"), 0.05);
  const std::string predict = "predict " + path("run") + " " + image_ + " --out " + path("masks") + " --set ";
  const Outcome empty = osteon(predict + "predict.threshold=1 --json");
  EXPECT_EQ(parsed(empty).at("images")[0].at("implausible"), json::array());
  EXPECT_EQ(parsed(empty).at("implausible"), 0);
  // Everything is of every class: no hand looks like that.
  const Outcome full = osteon(predict + "predict.threshold=0 --json");
  const json found = parsed(full);
  EXPECT_EQ(found.at("implausible"), 1);
  EXPECT_GE(found.at("images")[0].at("implausible").size(), 29u);
  EXPECT_THAT(full.err, HasSubstr(fs::path(image_).filename().string() + " looks wrong: "));
  EXPECT_THAT(full.err, HasSubstr("which --json lists"));
}

TEST_F(PostVerbs, EvaluateSaysWhatLooksWrong) {
  const std::string evaluate = "evaluate " + path("run") + " --subset test --set predict.threshold=0";
  const Outcome said = osteon(evaluate);
  EXPECT_THAT(said.err, HasSubstr(" looks wrong: "));
  EXPECT_THAT(said.out, ::testing::ContainsRegex("masks that look wrong +2 of 2 images, named above"));
  const json found = parsed(osteon(evaluate + " --json"));
  EXPECT_EQ(found.at("implausible"), 2);
  for (const json& image : found.at("per_image")) EXPECT_GE(image.at("implausible").size(), 29u);
}

TEST_F(PostVerbs, NothingLooksWrongToARunThatSawNoLabels) {
  const Outcome made = osteon("train " + path("recipe.toml") + " --set train.epochs=0 --out " + path("begun"));
  ASSERT_EQ(made.exit_code, 0) << made.err;
  const Outcome evaluated = osteon("evaluate " + path("begun") + " --subset test --set predict.threshold=0 --json");
  EXPECT_EQ(parsed(evaluated).at("implausible"), json()) << "nobody looked";
  EXPECT_THAT(evaluated.err, HasSubstr("does not say what labels it was trained on"));
  const Outcome predicted =
      osteon("predict " + path("begun") + " " + image_ + " --out " + path("of_begun") + " --json");
  EXPECT_EQ(parsed(predicted).at("implausible"), json());
}

TEST_F(PostVerbs, RecipeShowSaysWhatOtherClassesCost) {
  write_text(path("some.toml"),
             "recipe = 1\nextends = \"recipe.toml\"\n[[predict.post]]\nplugin = \"components\"\n"
             "classes = [\"Radius\"]\n[[predict.post]]\nplugin = \"tta\"\nclasses = [\"Ulna\"]\n");
  const Outcome outcome = osteon("recipe show " + path("some.toml"));
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("the other classes come along in its one call of what lies beneath"));
  EXPECT_THAT(outcome.out, HasSubstr("the other classes cost one more call of what lies beneath"));
}

}  // namespace
}  // namespace osteon::test
