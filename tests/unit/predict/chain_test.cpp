// SPDX-License-Identifier: Apache-2.0
#include "predict/chain.hpp"

#include <cmath>
#include <filesystem>
#include <map>

#include <gtest/gtest.h>

#include "base/error.hpp"
#include "predict/resample.hpp"
#include "support/predictions.hpp"

namespace osteon::predict {
namespace {

class Chain : public ::testing::Test {
 protected:
  static plugin::Registry& registry() {
    static auto* const kRegistry = [] {
      // Of all the fixtures, the one that is meant.
      const auto folder = std::filesystem::temp_directory_path() / "osteon-chain-test";
      std::filesystem::create_directories(folder);
      const auto to = folder / "picky.so";
      std::filesystem::copy_file(std::filesystem::path(OSTEON_FIXTURE_PLUGINS) / "picky.so", to,
                                 std::filesystem::copy_options::overwrite_existing);
      plugin::RegistryOptions options;
      options.folders = {folder};
      options.scanner = OSTEON_PROGRAM;
      return new plugin::Registry(options);
    }();
    return *kRegistry;
  }

  static std::shared_ptr<const Predictor> build(const std::vector<std::string>& names) {
    return chain(names).predictor;
  }
  static predict::Chain chain(const std::vector<std::string>& names, Extent extent = Extent::kWhole,
                              const std::string& who = "") {
    recipe::Recipe recipe;
    int line = 10;
    for (const std::string& name : names) {
      recipe::Component component;
      component.plugin = name;
      component.location.file = "recipe.toml";
      component.location.line = line++;
      component.location.column = 1;
      recipe.predict.post.push_back(component);
    }
    const auto leaf = std::make_shared<test::FunctionPredictor>(
        test::classes(2), [](std::int64_t c, std::int64_t, std::int64_t) { return c == 0 ? 0.25 : 0.75; });
    return build_chain(leaf, recipe, registry(), {}, extent, who);
  }
  static OwnedPrediction predict(const plugin::Call& call, const Predictor& predictor) {
    install_resample_service();
    const cv::Mat pixels(3, 4, CV_32FC1, cv::Scalar(0.5));
    const RootImage image(pixels, "an image");
    std::vector<OwnedPrediction> predictions(1);
    predictor.predict(call.raw(), {image.get()}, make_request(OSTEON_FORM_LOGITS, OSTEON_GRID_IMAGE), predictions);
    return std::move(predictions[0]);
  }

  // The error's text and where.
  static std::string refusal(const std::vector<std::string>& names) {
    try {
      build(names);
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ExitCode::kUsage);
      return std::string(e.where()) + ": " + e.what();
    }
    ADD_FAILURE() << "nothing was refused";
    return "";
  }
};

TEST_F(Chain, PutsTheFirstNextToTheModel) {
  const auto chain = build({"needs_logits", "gives_bits"});
  EXPECT_EQ(chain->name(), "post-processor 'gives_bits'");
  EXPECT_EQ(chain->gives_forms(), OSTEON_SET(OSTEON_FORM_BITS));
  EXPECT_EQ(chain->raw().gives_grids, OSTEON_SET(OSTEON_GRID_IMAGE)) << "plugins see what the host sees";
}

TEST_F(Chain, IsTheModelItselfWhenThereIsNothingToPutAround) { EXPECT_EQ(build({})->name(), "the test's predictor"); }

TEST_F(Chain, RefusesAFormThatIsNotThereAndNamesBothSides) {
  EXPECT_EQ(refusal({"gives_bits", "needs_logits"}),
            "recipe.toml:11:1: post-processor 'needs_logits' needs logits, and post-processor 'gives_bits' under it "
            "gives bits; put them in another order");
}

TEST_F(Chain, RefusesAGridThatIsNotThereAndNamesBothSides) {
  EXPECT_EQ(refusal({"needs_logits", "gives_bits", "needs_model_grid"}),
            "recipe.toml:12:1: post-processor 'needs_model_grid' needs the model's grid, and post-processor "
            "'gives_bits' under it gives the image's grid; put them in another order");
}

TEST_F(Chain, PassesARequestThroughToTheModel) {
  const plugin::Call call;
  const OwnedPrediction prediction = predict(call, *build({"needs_logits"}));
  EXPECT_EQ(sdk::shape_text(prediction.view()), "[2, 3, 4]");
  EXPECT_EQ(prediction.data()[0], 0.25f);
  EXPECT_EQ(prediction.data()[12], 0.75f);
}

TEST_F(Chain, NamesItsPlaceInWhatAPostProcessorNotes) {
  const plugin::Call call;
  predict(call, *chain({"needs_logits", "notes", "notes"}, Extent::kWhole, "member.1/").predictor);
  std::map<std::string, std::string> said;
  for (const plugin::Note& note : call.notes()) said[note.who + "|" + note.image + "|" + note.key] = note.value;
  const std::map<std::string, std::string> expected = {
      {"member.1/post.1/notes|an image|height", "3"}, {"member.1/post.1/notes|an image|width", "4"},
      {"member.1/post.1/notes||asked", "true"},       {"member.1/post.2/notes|an image|height", "3"},
      {"member.1/post.2/notes|an image|width", "4"},  {"member.1/post.2/notes||asked", "true"}};
  EXPECT_EQ(said, expected);
}

TEST_F(Chain, RefusesToPredictBeforeItWasFitted) {
  const plugin::Call call;
  const predict::Chain made = chain({"needs_logits", "learns", "notes"});
  ASSERT_EQ(made.fitted.size(), 1u);
  EXPECT_EQ(made.fitted[0].index, 1u);
  EXPECT_EQ(made.fitted[0].inner->name(), "post-processor 'needs_logits'");
  try {
    predict(call, *made.predictor);
    FAIL() << "it predicted";
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("post-processor 'learns' has to be fitted"), std::string::npos) << e.what();
  }
  plugin::Fit& fit = *made.fitted[0].post->fit();
  *static_cast<double*>(fit.tensors(call)[0].value->data) = 7;
  fit.changed();
  EXPECT_EQ(predict(call, *made.predictor).data()[0], 7.25f);
}

TEST_F(Chain, EndsBeforeTheFirstThatHasToBeFittedWhereThatIsAskedFor) {
  const predict::Chain made = chain({"needs_logits", "learns", "notes"}, Extent::kUpToFitted);
  EXPECT_EQ(made.predictor->name(), "post-processor 'needs_logits'");
  EXPECT_TRUE(made.fitted.empty());
}

// What a newer or older side sent, or what is no image, is refused before anything predicts.
TEST_F(Chain, LooksAtWhatAPluginAsks) {
  const plugin::Call call;
  const auto leaf = build({});
  std::vector<float> pixels(12, 0.5f);
  const sdk::BorrowedTensor view(pixels.data(), {3, 4, 1});
  auto image = sdk::sized<osteon_image>();
  image.pixels = view.view();
  image.to_root[0] = image.to_root[4] = 1;
  osteon_predict_request request = make_request(OSTEON_FORM_LOGITS, OSTEON_GRID_IMAGE);
  const auto status = [&] {
    OwnedPrediction prediction;
    const osteon_image* images[] = {&image};
    osteon_prediction* predictions[] = {&prediction.raw()};
    return leaf->raw().predict(call.raw(), &leaf->raw(), 1, images, &request, predictions, nullptr);
  };
  EXPECT_EQ(status(), OSTEON_OK);
  image.to_root[2] = std::nan("");
  EXPECT_EQ(status(), OSTEON_INVALID_ARGUMENT);
  image.to_root[2] = 0;
  image.flags = 1;
  EXPECT_EQ(status(), OSTEON_UNSUPPORTED);
  image.flags = 1u << 31;
  EXPECT_EQ(status(), OSTEON_OK) << "a bit that may be ignored";
  image.struct_size -= 8;
  EXPECT_EQ(status(), OSTEON_INVALID_ARGUMENT);
  image.struct_size += 8;
  request.flags = 1u << 7;
  EXPECT_EQ(status(), OSTEON_UNSUPPORTED);
  request.flags = 0;
  request.grid = 9;
  EXPECT_EQ(status(), OSTEON_UNSUPPORTED);
  request.grid = OSTEON_GRID_IMAGE;
  const std::int32_t classes[] = {1, 0};
  request.n_classes = 2;
  request.classes = classes;
  EXPECT_EQ(status(), OSTEON_INVALID_ARGUMENT);
}

}  // namespace
}  // namespace osteon::predict
