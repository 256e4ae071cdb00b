// SPDX-License-Identifier: Apache-2.0
// Post-processors on each other in all orders: what works on masks, on probabilities and on logits, over some classes
// or over all, and over data of either kind.
#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>

#include <osteon/sdk/random.hpp>

#include "base/error.hpp"
#include "predict/chain.hpp"
#include "predict/predict.hpp"
#include "predict/resample.hpp"
#include "support/found_plugins.hpp"
#include "support/linked_plugin.hpp"
#include "support/predictions.hpp"

namespace osteon::predict {
namespace {

constexpr int kHeight = 24, kWidth = 20, kPixels = kHeight * kWidth, kClasses = 3;

/// A post-processor of a recipe: its name, and what differs from its defaults.
struct Post {
  std::string plugin;
  std::map<std::string, plugin::ParameterValue> parameters = {};
  std::vector<std::string> classes = {};
};

class ChainOrders : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { install_resample_service(); }

  // Blobs and specks, so that there are parts, holes and edges.
  ChainOrders() {
    sdk::Random random(2, 9);
    for (int c = 0; c < kClasses; ++c)
      for (int p = 0; p < kPixels; ++p) {
        const double from = std::hypot(p / kWidth - 8.0 - 4 * c, p % kWidth - 7.0 - 2 * c);
        values_.push_back(1 / (1 + std::exp(0.6 * (from - 4))) * 0.7 + 0.3 * random.uniform());
      }
    image_.pixels.create(kHeight, kWidth, CV_8UC1);
    for (int p = 0; p < kPixels; ++p) image_.pixels.data[p] = static_cast<std::uint8_t>(random.below(256));
    image_.maximum = 255;
  }
  double value(std::int64_t c, std::int64_t y, std::int64_t x) const {
    return values_[static_cast<std::size_t>(c * kPixels + y * kWidth + x)];
  }

  recipe::Recipe recipe_of(const std::vector<Post>& posts) const {
    recipe::Recipe recipe;
    recipe.data.kind = multiclass_ ? "multiclass" : "multilabel";
    for (int c = 0; c < kClasses; ++c) recipe.data.classes.push_back("c" + std::to_string(c));
    recipe.predict.threshold = 0.6;
    recipe.predict.thresholds["c1"] = 0.4;
    for (const Post& post : posts) {
      const plugin::LoadedComponent component = test::registry().load(plugin::Kind::kPostprocessor, post.plugin, "");
      recipe::Component made;
      made.kind = plugin::Kind::kPostprocessor;
      made.plugin = post.plugin;
      made.parameters = test::parameters_of(component, post.parameters);
      made.classes = post.classes;
      recipe.predict.post.push_back(made);
    }
    return recipe;
  }
  data::Labels run(const std::vector<Post>& posts) {
    const recipe::Recipe recipe = recipe_of(posts);
    // Of any image: what it says of a mirrored one is not looked at here.
    leaf_ = std::make_shared<test::FunctionPredictor>(
        test::classes(kClasses, multiclass_),
        [this](std::int64_t c, std::int64_t y, std::int64_t x) { return value(c, y % kHeight, x % kWidth); });
    const std::shared_ptr<const Predictor> bottom = std::make_shared<Probable>(leaf_);
    const predict::Chain chain = build_chain(bottom, recipe, test::registry(), {});
    return predict_labels(call_.raw(), *chain.predictor, image_, "an image", decision_of(recipe));
  }

  /// The function predictor as one of probabilities alone.
  class Probable final : public Predictor {
   public:
    explicit Probable(std::shared_ptr<const Predictor> inner)
        : Predictor(inner->classes(), {OSTEON_SET(OSTEON_FORM_PROBABILITIES), OSTEON_SET(OSTEON_GRID_IMAGE)}),
          inner_(std::move(inner)) {}
    std::string name() const override { return inner_->name(); }
    void predict(const osteon_call* call, const std::vector<const osteon_image*>& images,
                 const osteon_predict_request& request, std::vector<OwnedPrediction>& predictions) const override {
      inner_->predict(call, images, request, predictions);
    }

   private:
    std::shared_ptr<const Predictor> inner_;
  };

  static Post tta(const std::string& merge = "mean_logits") {
    return {"tta", {{"transforms", std::vector<std::string>{"identity"}}, {"merge", std::vector<std::string>{merge}}}};
  }
  Post components() const {
    Post post{"components", {{"fill_holes", std::vector<bool>{true}}}};
    if (multiclass_) post.parameters["background"] = std::vector<std::string>{"c0"};
    return post;
  }
  static Post threshold(double at) { return {"threshold", {{"threshold", std::vector<double>{at}}}}; }

  static void expect_equal(const data::Labels& a, const data::Labels& b, const std::string& what) {
    ASSERT_EQ(a.planes().size(), b.planes().size()) << what;
    for (std::size_t p = 0; p < a.planes().size(); ++p)
      EXPECT_EQ(cv::countNonZero(a.planes()[p] != b.planes()[p]), 0) << what;
  }

  bool multiclass_ = false;
  std::vector<double> values_;
  data::Image image_;
  plugin::Call call_;
  std::shared_ptr<test::FunctionPredictor> leaf_;
};

TEST_F(ChainOrders, AllWork) {
  for (const bool multiclass : {false, true}) {
    multiclass_ = multiclass;
    std::vector<Post> posts = {components(), {"guided_filter"}, tta()};
    posts.push_back(multiclass ? tta("mean_probabilities") : threshold(0.55));
    std::vector<std::size_t> order(posts.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    do {
      std::vector<Post> chain;
      for (const std::size_t i : order) chain.push_back(posts[i]);
      const data::Labels labels = run(chain);
      for (int y = 0; multiclass && y < kHeight; ++y)
        for (int x = 0; x < kWidth; ++x) {
          const int word = labels.planes()[0].at<int>(y, x);
          ASSERT_TRUE(word == 1 || word == 2 || word == 4) << "a pixel has one class, not " << word;
        }
    } while (std::next_permutation(order.begin(), order.end()));
  }
}

TEST_F(ChainOrders, MasksAreDecidedByTheThresholdsInForce) {
  const data::Labels plain = run({});
  for (int c = 0; c < kClasses; ++c)
    for (int p = 0; p < kPixels; ++p)
      EXPECT_EQ(plain.mask(c).at<std::uint8_t>(p / kWidth, p % kWidth) != 0,
                static_cast<float>(value(c, p / kWidth, p % kWidth)) > static_cast<float>(c == 1 ? 0.4 : 0.6));
  Post own = threshold(0.6);
  own.parameters["per_class"] = std::vector<std::string>{"c1"};
  own.parameters["thresholds"] = std::vector<double>{0.4};
  expect_equal(run({own}), plain, "the same thresholds");
  expect_equal(run({own, components()}), run({components()}), "under components");
}

TEST_F(ChainOrders, WhatAveragesOneCopyChangesNoMask) {
  const data::Labels alone = run({components()});
  expect_equal(run({components(), tta()}), alone, "mean of logits");
  expect_equal(run({components(), tta("mean_probabilities")}), alone, "mean of probabilities");
  expect_equal(run({tta("mean_probabilities"), tta(), components()}), alone, "unlike merges on each other");
}

TEST_F(ChainOrders, SomeClassesAreActedOnAndTheOthersAreBroughtToTheSameForm) {
  const data::Labels plain = run({}), all = run({components()});
  Post some = components();
  some.classes = {"c0", "c2"};
  const data::Labels mixed = run({some});
  EXPECT_EQ(leaf_->asked.size(), 1u) << "a map's one inner call brings the others along";
  for (int c = 0; c < kClasses; ++c) {
    const data::Labels& expected = c == 1 ? plain : all;
    EXPECT_EQ(cv::countNonZero(mixed.mask(c) != expected.mask(c)), 0) << c;
  }
  EXPECT_NE(cv::countNonZero(plain.mask(0) != all.mask(0)), 0) << "the test's own data";

  Post wrapper = tta("mean_probabilities");
  wrapper.classes = {"c1"};
  expect_equal(run({wrapper}), plain, "a wrapper over one class");
  EXPECT_EQ(leaf_->asked.size(), 2u) << "the others cost a call of their own";
  Post other = components();
  other.classes = {"c1"};
  expect_equal(run({some, other}), all, "two, which share the classes between them");
  const Post filter = {"guided_filter", {}, {"c1"}};
  expect_equal(run({wrapper, filter, some, other}), run({filter, components()}), "forms change beneath other classes");
}

TEST_F(ChainOrders, AWrapperHasBothOfAPairOfMirroredClasses) {
  plugin::ClassContext classes = test::classes(kClasses);
  classes.mirrored = {1, 0, 2};
  const auto leaf =
      std::make_shared<test::FunctionPredictor>(classes, [](std::int64_t, std::int64_t, std::int64_t) { return 0.5; });
  const auto build = [&](Post post, std::vector<std::string> acts_on) {
    post.classes = std::move(acts_on);
    return build_chain(leaf, recipe_of({post}), test::registry(), {});
  };
  build(tta(), {"c0", "c1"});
  build(tta(), {"c2"});
  build(components(), {"c0"});
  try {
    build(tta(), {"c0", "c2"});
    FAIL() << "it was accepted";
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("'c0' and not on 'c1'"), std::string::npos) << e.what();
  }
}

}  // namespace
}  // namespace osteon::predict
