// SPDX-License-Identifier: Apache-2.0
// `osteon augment preview`: that the sheet shows what training sees.
#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <opencv2/imgproc.hpp>

#include "data/loader.hpp"
#include "data/phantom/phantom.hpp"
#include "engine/engine.hpp"
#include "exports/palette.hpp"
#include "recipe/load_recipe.hpp"
#include "support/found_plugins.hpp"
#include "support/program.hpp"

namespace osteon::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;

constexpr int kView = 48;

const std::string kSteps = R"(
[[augment]]
plugin = "horizontal_flip"
[[augment]]
plugin = "rotate"
limit  = 30.0
[[augment]]
plugin     = "random_brightness_contrast"
brightness = [0.1, 0.3]
p          = 0.5
)";

class AugmentVerb : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new TemporaryFolder();
    data::PhantomOptions options;
    options.patients = 2;
    options.test_patients = 1;
    options.size = 64;
    data::write_phantom(options, *folder_ / "hand", {}, 1);
    write_recipe("recipe", kSteps);
    fs::create_directories(*folder_ / "elsewhere");
    fs::copy_file(image(), elsewhere());
  }
  static void TearDownTestSuite() { delete folder_; }

  static void write_recipe(const std::string& name, const std::string& steps) {
    write_text(*folder_ / (name + ".toml"),
               "recipe = 1\nname = \"toy\"\nextends = \"" OSTEON_SOURCE_DIR
               "/configs/base/hand29.toml\"\n[data]\nroot = \"hand\"\nfolds = 2\nimage_size = " +
                   std::to_string(kView) + "\n[model]\nplugin = \"unet\"\n[[loss]]\nplugin = \"bce\"\n" + steps +
                   "[train]\nepochs = 1\n");
  }
  static fs::path image() {
    std::vector<fs::path> files;
    for (const auto& entry : fs::recursive_directory_iterator(*folder_ / "hand/train/DCM"))
      if (entry.path().extension() == ".png") files.push_back(entry.path());
    return *std::min_element(files.begin(), files.end());
  }
  // The same image under the same name, outside of the data set.
  static fs::path elsewhere() { return *folder_ / "elsewhere" / image().filename(); }

  static Outcome preview(const std::string& arguments, const std::string& recipe = "recipe") {
    return run_program(OSTEON_PROGRAM, "augment preview " + (*folder_ / (recipe + ".toml")).string() + " " + arguments);
  }
  static std::string annotation() {
    const fs::path patient = *folder_ / "hand/train/outputs_json" / image().parent_path().filename();
    return (patient / image().stem()).string() + ".json";
  }
  // The same without a process of its own.
  static engine::Engine& engine() {
    static const std::unique_ptr<engine::Engine> engine = engine::load({&registry(), 1}, {});
    return *engine;
  }
  static recipe::Recipe recipe() {
    return recipe::load_recipe(*folder_ / "recipe.toml", {{}, registry().schemas(), {}}).recipe;
  }
  static engine::AugmentPreviewRequest request_for(const std::string& name) {
    engine::AugmentPreviewRequest request;
    request.recipe = recipe();
    request.image = image();
    request.out = sheet(name);
    request.count = 2;
    return request;
  }
  static fs::path sheet(const std::string& name) { return *folder_ / (name + ".png"); }

  static TemporaryFolder* folder_;
};
TemporaryFolder* AugmentVerb::folder_ = nullptr;

// The image as the loader gives it in an epoch (from 0 on), as bytes.
cv::Mat loaded(const recipe::Recipe& recipe, const std::string& id, std::int64_t epoch) {
  data::DatasetOptions data_options;
  data_options.classes.names = recipe.data.classes;
  const auto dataset = data::open_dataset(recipe.data.layout, recipe.data.root, data_options);
  const data::AugmentPipeline pipeline(recipe.augment, registry(), {false, recipe.data.classes, {}});
  data::LoaderOptions options;
  options.size = {kView, kView};
  options.seed = 21;  // the recipe's, by default
  int index = 0;
  while (dataset->samples()[static_cast<std::size_t>(index)].id != id) ++index;
  data::Loader loader(*dataset, {index}, &pipeline, options);
  loader.start_epoch(epoch);
  const data::Batch batch = loader.next().value();
  cv::Mat pixels(kView, kView, CV_8UC3);
  for (int y = 0; y < kView; ++y)
    for (int x = 0; x < kView; ++x)
      for (int c = 0; c < 3; ++c)
        pixels.at<cv::Vec3b>(y, x)[c] =
            static_cast<std::uint8_t>(std::lround(255 * batch.image.data()[(c * kView + y) * kView + x]));
  return pixels;
}

TEST_F(AugmentVerb, ATileIsWhatTheLoaderGives) {
  const Outcome outcome =
      preview(elsewhere().string() + " --out " + sheet("truth").string() + " --count 3 --epoch 5 --columns 3 --json");
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const json result = json::parse(outcome.out);
  const data::Image picture = data::read_image(sheet("truth"));
  EXPECT_EQ(result.at("height"), picture.size().height);
  EXPECT_EQ(result.at("width"), picture.size().width);
  EXPECT_EQ(result.at("part"), json());
  EXPECT_EQ(result.at("labels"), json());
  EXPECT_THAT(result.at("remarks").dump(), HasSubstr("there are no labels"));
  ASSERT_EQ(result.at("tiles").size(), 4u);
  EXPECT_EQ(result.at("tiles")[0].at("epoch"), json());

  const recipe::Recipe read = recipe();
  const int factor = result.at("tile")[0].get<int>() / kView;
  EXPECT_GT(factor, 1);
  for (int i = 1; i <= 3; ++i) {
    const json& tile = result.at("tiles")[static_cast<std::size_t>(i)];
    EXPECT_EQ(tile.at("epoch"), 4 + i);
    cv::Mat expected;
    cv::resize(loaded(read, image().filename().string(), 3 + i), expected, {}, factor, factor, cv::INTER_NEAREST);
    const cv::Mat shown = picture.pixels(cv::Rect({tile.at("x"), tile.at("y")}, expected.size()));
    EXPECT_EQ(cv::norm(shown, expected, cv::NORM_INF), 0) << "epoch " << 4 + i;
  }
}

TEST_F(AugmentVerb, OutlinesTheLabelsOfTheDataSetAndTellsEachDraw) {
  const Outcome outcome = preview(image().string() + " --out " + sheet("labels").string() + " --count 4 --json");
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const json result = json::parse(outcome.out);
  EXPECT_THAT(result.at("part").get<std::string>(), ::testing::AnyOf("train", "validation"));
  EXPECT_THAT(result.at("labels").get<std::string>(), HasSubstr(image().stem().string() + ".json"));

  const cv::Mat picture = data::read_image(sheet("labels")).pixels;
  const std::vector<cv::Vec3b> colors = exports::class_colors(29);
  const int side = result.at("tile")[0];
  for (const json& tile : result.at("tiles")) {
    const cv::Mat part = picture(cv::Rect(tile.at("x"), tile.at("y"), side, side));
    const cv::Vec3b radius = colors[27];
    cv::Mat outline;
    const cv::Scalar color(radius[0], radius[1], radius[2]), softened = cv::Scalar::all(25);  // lines are antialiased
    cv::inRange(part, color - softened, color + softened, outline);
    EXPECT_GT(tile.at("areas").at("Radius"), 0);
    EXPECT_GT(cv::countNonZero(outline), 10) << tile.at("epoch");
    if (tile.at("epoch").is_null()) continue;

    const json& steps = tile.at("steps");
    ASSERT_GE(steps.size(), 2u);
    EXPECT_EQ(steps[0].at("plugin"), "horizontal_flip");
    EXPECT_EQ(steps[0].at("warp").at("kind"), "permutation");
    EXPECT_EQ(steps[0].at("text"), "horizontal_flip: mirrored");
    EXPECT_EQ(steps[1].at("step"), "augment[1]");
    EXPECT_NEAR(steps[1].at("drew").at("angle"), steps[1].at("warp").at("angle"), 1e-9);
    for (std::size_t i = 2; i < steps.size(); ++i) {
      EXPECT_GE(steps[i].at("drew").at("brightness"), 0.1);
      EXPECT_LE(steps[i].at("drew").at("brightness"), 0.3);
    }
  }
}

TEST_F(AugmentVerb, TheSameSeedGivesTheSameBytes) {
  const auto bytes = [](std::int64_t seed) {
    engine::AugmentPreviewRequest request = request_for("seed");
    request.recipe.train.seed = seed;
    engine().preview_augment(request);
    return slurp(request.out);
  };
  const std::string first = bytes(21);
  EXPECT_EQ(bytes(21), first);
  EXPECT_NE(bytes(22), first);
}

TEST_F(AugmentVerb, ARecipeWithoutStepsGivesTheViewAndSaysSo) {
  write_recipe("bare", "");
  const Outcome outcome =
      preview(elsewhere().string() + " --labels " + annotation() + " --out " + sheet("bare").string(), "bare");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("no [[augment]]"));
  EXPECT_THAT(outcome.out, HasSubstr("1 tiles"));
}

TEST_F(AugmentVerb, AMissingImageEndsWithThree) {
  const Outcome outcome = preview("/no/such/image.png");
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_THAT(outcome.err, HasSubstr("/no/such/image.png"));
}

TEST_F(AugmentVerb, RefusesWhatItCannotShow) {
  const auto refuses = [](ExitCode code, const std::string& said, auto change) {
    engine::AugmentPreviewRequest request = request_for("refused");
    change(request);
    try {
      engine().preview_augment(request);
      ADD_FAILURE() << "nothing was said of " << said;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), code) << e.what();
      EXPECT_THAT(e.where() + ": " + e.what(), HasSubstr(said));
    }
  };
  using Request = engine::AugmentPreviewRequest;
  refuses(ExitCode::kData, "/no/such/labels.png", [](Request& r) { r.labels = "/no/such/labels.png"; });
  refuses(ExitCode::kUsage, ".png", [](Request& r) { r.out = "sheet.jpg"; });
  refuses(ExitCode::kUsage, "--out", [](Request& r) { r.out = r.image = elsewhere(); });
  refuses(ExitCode::kUsage, "--tile", [](Request& r) {
    r.recipe.data.image_size = {8192, 8192};
    r.tile = 8192;
    r.count = 1000;
  });
}

}  // namespace
}  // namespace osteon::test
