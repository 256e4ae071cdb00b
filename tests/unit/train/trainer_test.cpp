// SPDX-License-Identifier: Apache-2.0
// The training loop on a network of three convolutions and images of 6 x 4 pixels.
#include "train/trainer.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "plugin/pool.hpp"
#include "unit/train/toy_training.hpp"

namespace osteon::train {
namespace {

using toy::expect_equal;
using toy::recipe_of;
using toy::term;

/// One training, with what it leaves behind.
struct Trained : toy::Run {
  std::vector<std::size_t> memory;  ///< in use, at the end of each epoch
  Outcome outcome;

  explicit Trained(const recipe::Recipe& recipe, const osteon_model_api& api = test::tiny_api(),
                   bool resume_after = false, const data::DatasetOptions* with = nullptr)
      : toy::Run(api) {
    options = with;
    validate = [this](const plugin::Call& validation) {
      EXPECT_EQ(validation.raw()->device.type, OSTEON_DEVICE_CPU);
      memory.push_back(plugin::host_pool().in_use());
      return 0.5;
    };
    if (resume_after) {
      recipe::Recipe half = recipe;
      half.train.epochs = recipe.train.epochs / 2;
      train(half);
    }
    outcome = train(recipe, resume_after);
  }
};

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
  for (int i = 0; i < toy::kImages; ++i) {
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
