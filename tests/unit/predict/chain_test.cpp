// SPDX-License-Identifier: Apache-2.0
#include "predict/chain.hpp"

#include <filesystem>

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
    return build_chain(leaf, recipe, registry(), {});
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
  install_resample_service();
  const auto chain = build({"needs_logits"});
  const plugin::Call call;
  const cv::Mat pixels(3, 4, CV_32FC1, cv::Scalar(0.5));
  const RootImage image(pixels, "an image");
  std::vector<OwnedPrediction> predictions(1);
  chain->predict(call.raw(), {image.get()}, make_request(OSTEON_FORM_LOGITS, OSTEON_GRID_IMAGE), predictions);
  EXPECT_EQ(sdk::shape_text(predictions[0].view()), "[2, 3, 4]");
  EXPECT_EQ(predictions[0].data()[0], 0.25f);
  EXPECT_EQ(predictions[0].data()[12], 0.75f);
}

}  // namespace
}  // namespace osteon::predict
