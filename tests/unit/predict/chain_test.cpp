// SPDX-License-Identifier: Apache-2.0
#include "predict/chain.hpp"

#include <cmath>
#include <filesystem>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "predict/chain_check.hpp"
#include "predict/resample.hpp"
#include "predict/some_classes.hpp"
#include "predict/stored.hpp"
#include "recipe/problems.hpp"
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
  static recipe::Recipe recipe_of(const std::vector<std::string>& names) {
    recipe::Recipe recipe;
    int line = 10;
    for (const std::string& name : names) {
      recipe::Component component;
      component.kind = plugin::Kind::kPostprocessor;
      component.plugin = name;
      component.location.file = "recipe.toml";
      component.location.line = line++;
      component.location.column = 1;
      recipe.predict.post.push_back(component);
    }
    return recipe;
  }
  static predict::Chain chain(const std::vector<std::string>& names, Extent extent = Extent::kWhole,
                              const std::string& who = "") {
    const auto leaf = std::make_shared<test::FunctionPredictor>(
        test::classes(2), [](std::int64_t c, std::int64_t, std::int64_t) { return c == 0 ? 0.25 : 0.75; });
    return build_chain(leaf, recipe_of(names), registry(), {}, extent, who);
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

TEST_F(Chain, RefusesAGridThatIsNotThereAndNamesBothSides) {
  EXPECT_EQ(refusal({"needs_logits", "gives_bits", "needs_model_grid"}),
            "recipe.toml:12:1: post-processor 'needs_model_grid' needs the model's grid, and post-processor "
            "'gives_bits' under it gives the image's grid");
}

// Without an instance, and with all that does not fit.
TEST_F(Chain, IsTypedBeforeAnythingIsMade) {
  recipe::Recipe recipe =
      recipe_of({"needs_image_grid", "from_model_grid", "gives_bits", "needs_model_grid", "learns"});
  recipe.data.classes = {"a", "b"};
  recipe.model.emplace().component.plugin = "any";
  try {
    check_chains(recipe, registry());
    FAIL() << "nothing was refused";
  } catch (const recipe::RecipeErrors& e) {
    ASSERT_EQ(e.problems().size(), 2u) << e.what();
    EXPECT_EQ(e.problems()[0].location.line, 11u);
    EXPECT_EQ(e.problems()[0].key, "predict.post[1]");
    EXPECT_THAT(e.problems()[0].message, ::testing::HasSubstr("'needs_image_grid' under it gives the image's grid"));
    EXPECT_EQ(e.problems()[0].suggestion, "") << "the fourth fits nowhere";
    EXPECT_EQ(e.problems()[1].location.line, 13u);
  }
  recipe.predict.post.resize(2);
  try {
    check_chains(recipe, registry());
    FAIL() << "nothing was refused";
  } catch (const recipe::RecipeErrors& e) {
    EXPECT_EQ(e.problems()[0].suggestion, "in the order 'from_model_grid', 'needs_image_grid' they fit");
  }
  recipe.predict.post.resize(1);
  EXPECT_NO_THROW(check_chains(recipe, registry()));
}

TEST_F(Chain, TakesWhatATrialLearntOfOneThatSaysNothing) {
  recipe::Recipe recipe = recipe_of({"learns", "needs_model_grid"});
  recipe.data.classes = {"a", "b"};
  recipe.model.emplace().component.plugin = "any";
  EXPECT_NO_THROW(check_chains(recipe, registry())) << "nobody knows what the first gives";
  plugin::ComponentType type;
  type.shape = OSTEON_POSTPROCESSOR_MAP;
  type.needs_forms = type.gives_forms = OSTEON_SET(OSTEON_FORM_LOGITS);
  type.needs_grids = type.gives_grids = OSTEON_SET(OSTEON_GRID_IMAGE);
  EXPECT_THROW(check_chains(recipe, registry(), {{"predict.post[0]", type}}), recipe::RecipeErrors);
}

TEST_F(Chain, ShowsThresholdsToPostProcessors) {
  const auto inner = std::make_shared<test::FunctionPredictor>(
      test::classes(3), [](std::int64_t, std::int64_t, std::int64_t) { return 0.5; });
  EXPECT_EQ(inner->raw().thresholds, nullptr) << "nobody said any";
  sdk::OwnedTensor values = sdk::Call(plugin::Call().raw()).allocate<float>({3, 4, 5});
  const std::vector<double> thresholds = {0.2, 0.4, 0.6};
  const auto stored = std::make_shared<Stored>(test::classes(3), std::move(values), cv::Size(5, 4), thresholds);
  ASSERT_NE(stored->raw().thresholds, nullptr);
  EXPECT_EQ(std::vector<double>(stored->raw().thresholds, stored->raw().thresholds + 3), thresholds);
  const Narrowed some(stored, {0, 2});
  EXPECT_EQ(some.raw().thresholds[1], 0.6) << "of its own classes";
  const sdk::Predictor seen(&some.raw());
  EXPECT_EQ(seen.threshold(1), 0.6);
  EXPECT_EQ(sdk::Predictor(&inner->raw()).threshold(1), 0.5);
  osteon_predictor older = some.raw();
  older.struct_size = 56;
  EXPECT_FALSE(sdk::Predictor(&older).has_thresholds()) << "a host of ABI 0.2";
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

// A post-processor that adds 7 to logits, once its state says so, over classes of which it acts on some.
class ChainOfSomeClasses : public Chain {
 protected:
  void make(const std::vector<std::string>& acts_on) {
    install_resample_service();
    recipe::Recipe recipe;
    recipe.data.classes = {"c0", "c1", "c2"};
    recipe::Component component;
    component.plugin = "learns";
    component.classes = acts_on;
    recipe.predict.post.push_back(component);
    leaf_ = std::make_shared<test::FunctionPredictor>(
        test::classes(3), [](std::int64_t c, std::int64_t, std::int64_t) { return static_cast<double>(c); });
    chain_ = build_chain(leaf_, recipe, registry(), {}, Extent::kWhole, "");
    plugin::Fit& fit = *chain_.fitted.at(0).post->fit();
    *static_cast<double*>(fit.tensors(call_)[0].value->data) = 7;
    fit.changed();
  }
  // The first pixel of each class that is asked for.
  std::vector<float> ask(const std::vector<std::int32_t>& classes, std::uint32_t flags = 0) {
    const cv::Mat pixels(3, 4, CV_32FC1, cv::Scalar(0.5));
    const RootImage image(pixels, "an image");
    osteon_predict_request request = make_request(OSTEON_FORM_LOGITS, OSTEON_GRID_IMAGE);
    request.flags = flags;
    request.n_classes = classes.size();
    request.classes = classes.data();
    std::vector<OwnedPrediction> predictions(2);
    chain_.predictor->predict(call_.raw(), {image.get(), image.get()}, request, predictions);
    std::vector<float> values;
    for (std::int64_t k = 0; k < predictions[1].classes(); ++k) values.push_back(predictions[1].data()[k * 12]);
    return values;
  }

  plugin::Call call_;
  std::shared_ptr<test::FunctionPredictor> leaf_;
  predict::Chain chain_;
};

TEST_F(ChainOfSomeClasses, ActsOnTheseAloneWithOneInnerCall) {
  make({"c2", "c0"});
  for (const std::uint32_t flags : {0u, static_cast<std::uint32_t>(OSTEON_PREDICT_EACH)}) {
    leaf_->asked.clear();
    EXPECT_EQ(ask({}, flags), (std::vector<float>{7, 1, 9}));
    EXPECT_EQ(ask({1, 2}, flags), (std::vector<float>{1, 9}));
    EXPECT_EQ(leaf_->asked, (std::vector<std::vector<std::int32_t>>{{0, 1, 2}, {1, 2}}));
    EXPECT_EQ(ask({0}, flags), std::vector<float>{7});
    EXPECT_EQ(ask({1}, flags), std::vector<float>{1}) << "it is not asked for any of its own";
  }
}

TEST_F(ChainOfSomeClasses, StaysOnTheModelsGridWhereThatIsAskedFor) {
  install_resample_service();
  sdk::OwnedTensor values = sdk::Call(call_.raw()).allocate<float>({3, 4, 5});
  for (int i = 0; i < 60; ++i) values.data<float>()[i] = static_cast<float>(i) / 64;
  const auto stored = std::make_shared<Stored>(test::classes(3), std::move(values), cv::Size(20, 16));
  recipe::Recipe recipe;
  recipe.data.classes = {"c0", "c1", "c2"};
  recipe::Component component;
  component.plugin = "notes";
  component.classes = {"c1"};
  recipe.predict.post.push_back(component);
  const auto chain = build_chain(stored, recipe, registry(), {}).predictor;
  const cv::Mat pixels(16, 20, CV_32FC1, cv::Scalar(0.5));
  const RootImage image(pixels, "an image");
  for (const std::uint32_t grid : {OSTEON_GRID_MODEL, OSTEON_GRID_IMAGE}) {
    const osteon_predict_request request = make_request(OSTEON_FORM_PROBABILITIES, grid);
    std::vector<OwnedPrediction> with(1), without(1);
    chain->predict(call_.raw(), {image.get()}, request, with);
    stored->predict(call_.raw(), {image.get()}, request, without);
    ASSERT_EQ(sdk::shape_text(with[0].view()), grid == OSTEON_GRID_MODEL ? "[3, 4, 5]" : "[3, 16, 20]");
    EXPECT_TRUE(std::equal(with[0].raw().to_image, with[0].raw().to_image + 6, without[0].raw().to_image));
    EXPECT_TRUE(std::equal(with[0].data(), with[0].data() + sdk::element_count(with[0].view()), without[0].data()));
  }
}

TEST_F(ChainOfSomeClasses, IsFittedOnTheseAlone) {
  make({"c2", "c0"});
  EXPECT_EQ(chain_.fitted[0].inner->classes().names, (std::vector<std::string>{"c0", "c2"}));
  EXPECT_EQ(chain_.fitted[0].classes, (std::vector<std::int32_t>{0, 2}));
}

TEST_F(ChainOfSomeClasses, KeepsPairsOfMirroredClassesThatAreBothThere) {
  plugin::ClassContext all = test::classes(4);
  EXPECT_TRUE(narrowed(all, {1, 2}).mirrored.empty());
  all.mirrored = {1, 0, 3, 2};
  EXPECT_EQ(narrowed(all, {0, 2, 3}).names, (std::vector<std::string>{"c0", "c2", "c3"}));
  EXPECT_EQ(narrowed(all, {0, 2, 3}).mirrored, (std::vector<std::int32_t>{0, 2, 1}));
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
  image.struct_size = sdk::kMinimumSize<osteon_image>;
  EXPECT_EQ(status(), OSTEON_OK) << "as 0.2 sends it";
  image.struct_size -= 8;
  EXPECT_EQ(status(), OSTEON_INVALID_ARGUMENT);
  image.struct_size = sizeof image;
  request.flags = 1u << 7;
  EXPECT_EQ(status(), OSTEON_UNSUPPORTED);
  request.flags = 0;
  request.elements = OSTEON_SET(9);
  EXPECT_EQ(status(), OSTEON_UNSUPPORTED);
  request.elements = OSTEON_SET(OSTEON_ELEMENT_FLOAT16);
  EXPECT_EQ(status(), OSTEON_OK);
  request.elements = 0;
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
