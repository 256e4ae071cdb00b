// SPDX-License-Identifier: Apache-2.0
// The training loop on a network of three convolutions and images of 6 x 4 pixels.
#include "train/trainer.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "plugin/pool.hpp"
#include "support/found_plugins.hpp"
#include "support/program.hpp"
#include "unit/data/toy_dataset.hpp"
#include "unit/train/tiny_model.hpp"

namespace osteon::train {
namespace {

constexpr int kImages = 8;

recipe::LossTerm term(const std::string& plugin, const std::string& output = "") {
  recipe::LossTerm loss;
  loss.component.plugin = plugin;
  loss.component.parameters = test::default_parameters(*test::registry().find(plugin::Kind::kLoss, plugin));
  loss.output = output;
  return loss;
}

recipe::Recipe recipe_of(int epochs) {
  recipe::Recipe recipe;
  recipe.data.kind = "multiclass";
  recipe.data.classes = {"a", "b", "c"};
  recipe.loss = {term("cross_entropy"), term("dice")};  // both take scratch memory
  recipe.train.epochs = epochs;
  recipe.train.optimizer.lr = 1e-2;
  return recipe;
}

/// One training, with what it leaves behind.
struct Trained {
  test::TemporaryFolder folder;
  std::vector<std::size_t> memory;  ///< in use, at the end of each epoch
  Outcome outcome;
  std::vector<std::pair<std::string, at::Tensor>> weights;

  explicit Trained(const recipe::Recipe& recipe, const osteon_model_api& api = test::tiny_api(),
                   bool resume_after = false, const data::DatasetOptions* options = nullptr) {
    const plugin::Call call;
    const auto model = test::tiny_model(call, 1, 3, api);
    auto dataset = tests::toy_dataset(folder.path() / "data", kImages);
    if (options != nullptr) dataset = data::open_dataset("index_png", folder.path() / "data", *options);
    std::vector<int> indices(kImages);
    for (int i = 0; i < kImages; ++i) indices[static_cast<std::size_t>(i)] = i;
    data::LoaderOptions loading = tests::toy_options();
    loading.shuffle = true;
    data::Loader loader(*dataset, indices, nullptr, loading);
    const run::RunFolder run(folder.path());
    plugin::ClassContext classes;
    classes.multiclass = true;
    classes.names = recipe.data.classes;
    const auto train = [&](const recipe::Recipe& with, bool resume) {
      Setup setup{with, test::registry(), classes, *model, loader, run, {OSTEON_DEVICE_CPU, 0}, 1, {}};
      setup.validate = [&](const plugin::Call& validation) {
        EXPECT_EQ(validation.raw()->device.type, OSTEON_DEVICE_CPU);
        memory.push_back(plugin::host_pool().in_use());
        return 0.5;
      };
      return Trainer(std::move(setup)).run(resume);
    };
    if (resume_after) {
      recipe::Recipe half = recipe;
      half.train.epochs = recipe.train.epochs / 2;
      train(half, false);
    }
    outcome = train(recipe, resume_after);
    for (const HostTensor& tensor : host_tensors(*model, call)) weights.emplace_back(tensor.name, tensor.value.clone());
  }

  at::Tensor operator[](const std::string& name) const {
    for (const auto& [own, value] : weights)
      if (own == name) return value;
    throw std::out_of_range(name);
  }
};

void expect_equal(const Trained& a, const Trained& b) {
  ASSERT_EQ(a.weights.size(), b.weights.size());
  for (std::size_t i = 0; i < a.weights.size(); ++i)
    EXPECT_TRUE(at::equal(a.weights[i].second, b.weights[i].second)) << a.weights[i].first;
}

TEST(Trainer, TakesNoMoreMemoryTheMoreStepsItHasTaken) {
  const Trained run(recipe_of(12));
  ASSERT_EQ(run.memory.size(), 12u);
  for (std::size_t epoch = 2; epoch < 12; ++epoch) EXPECT_EQ(run.memory[epoch], run.memory[1]) << "epoch " << epoch;
}

TEST(Trainer, IsTheSameTwiceAcrossAResumeAndWhereverGradientsLie) {
  recipe::Recipe recipe = recipe_of(4);
  recipe.train.accumulate = 3;  // the last group of an epoch is shorter
  recipe.train.ema = 0.5;
  recipe.train.scheduler.name = "constant";  // half of it alone has to do what it does as a part
  const Trained run(recipe);
  expect_equal(Trained(recipe), run);
  expect_equal(Trained(recipe, test::tiny_api(), /*resume_after=*/true), run);
  expect_equal(Trained(recipe, test::stubborn_api()), run);
  recipe.train.gradient_clip = 0.05;
  const Trained clipped(recipe);
  expect_equal(Trained(recipe), clipped);
  expect_equal(Trained(recipe, test::tiny_api(), /*resume_after=*/true), clipped);
  EXPECT_FALSE(at::equal(clipped["head.weight"], run["head.weight"]));
}

TEST(Trainer, LearnsAndEvaluatesOnlyOutputsThatALossIsFor) {
  recipe::Recipe recipe = recipe_of(1);
  const Trained once(recipe);
  recipe.train.epochs = 30;
  const Trained longer(recipe);
  EXPECT_LT(longer.outcome.loss, once.outcome.loss);
  const auto decayed = [](const Trained& run) { return run["presence_head.weight"]; };
  recipe.train.optimizer.weight_decay = 0;
  recipe.train.epochs = 2;
  const Trained still(recipe);
  recipe.train.epochs = 4;
  EXPECT_TRUE(at::equal(decayed(still), decayed(Trained(recipe)))) << "no loss is for the presence of classes";
  recipe.loss.push_back(term("cross_entropy", "half"));
  EXPECT_TRUE(at::equal(decayed(still), decayed(Trained(recipe))));
}

TEST(Trainer, PassesWeightsOfImagesOn) {
  recipe::Recipe recipe = recipe_of(3);
  recipe.train.optimizer.weight_decay = 0;
  const test::TemporaryFolder folder;
  data::DatasetOptions options;
  options.classes = {data::LabelKind::kMulticlass, {"a", "b", "c"}, {}};
  options.weights = folder / "weights.csv";
  std::string text = "image,weight\n", ones = text;
  for (int i = 0; i < kImages; ++i) {
    text += std::to_string(i) + ".png,0\n";
    ones += std::to_string(i) + ".png,1\n";
  }
  test::write_text(options.weights, text);
  const Trained nothing(recipe, test::tiny_api(), false, &options);
  const plugin::Call call;
  const auto fresh = test::tiny_model(call, 1, 3);
  for (const HostTensor& tensor : host_tensors(*fresh, call)) {
    EXPECT_TRUE(!tensor.parameter || at::equal(tensor.value, nothing[tensor.name])) << tensor.name;
  }
  test::write_text(options.weights, ones);
  expect_equal(Trained(recipe, test::tiny_api(), false, &options), Trained(recipe));
}

/// Writes down in which precision it is run.
std::uint32_t precision_of_last_forward = 99;
const osteon_model_api& listening_api() {
  static const osteon_model_api api = [] {
    osteon_model_api made = test::tiny_api();
    made.forward = [](const osteon_call* call, osteon_model* model, const osteon_forward_options* options,
                      const osteon_tensor_view* input, std::uint64_t n, osteon_tensor* const* outputs,
                      osteon_tape** tape, osteon_error* error) {
      precision_of_last_forward = options->precision;
      return test::tiny_api().forward(call, model, options, input, n, outputs, tape, error);
    };
    return made;
  }();
  return api;
}

TEST(Trainer, AsksForThePrecisionOfTheRecipe) {
  for (const auto& [name, expected] : {std::pair<const char*, std::uint32_t>{"fp32", OSTEON_PRECISION_FLOAT32},
                                       {"tf32", OSTEON_PRECISION_TF32},
                                       {"amp", OSTEON_PRECISION_BFLOAT16}}) {
    recipe::Recipe recipe = recipe_of(1);
    recipe.train.precision = name;
    const Trained run(recipe, listening_api());
    EXPECT_EQ(precision_of_last_forward, expected) << name;
  }
}

}  // namespace
}  // namespace osteon::train
