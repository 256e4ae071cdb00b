// SPDX-License-Identifier: Apache-2.0
// What a training does when something goes wrong: numbers that are not finite, a validation that throws, what is
// written when.
#include <cmath>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/train/toy_training.hpp"

namespace osteon::train {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

/// Hands the tiny model gradients that are not finite in the backwards with these numbers, counted from 1.
struct Poison {
  static inline std::int64_t from = 0, to = 0, count = 0;
  static void at(std::int64_t first, std::int64_t last) {
    from = first;
    to = last;
    count = 0;
  }
  static const osteon_model_api& api() {
    static const osteon_model_api made = [] {
      osteon_model_api api = test::tiny_api();
      api.backward = [](const osteon_call* call, osteon_model* model, osteon_tape* tape, std::uint64_t n,
                        const osteon_tensor_view* const* grads, osteon_gradient_ready ready, void* user,
                        osteon_tensor* grad_input, osteon_error* error) {
        if (++count >= from && count <= to)
          static_cast<float*>(grads[0]->data)[0] = std::numeric_limits<float>::infinity();
        return test::tiny_api().backward(call, model, tape, n, grads, ready, user, grad_input, error);
      };
      return api;
    }();
    return made;
  }
};

Error error_of(const std::function<void()>& run) {
  try {
    run();
  } catch (const Error& e) {
    return e;
  }
  ADD_FAILURE() << "nothing was thrown";
  return Error(ExitCode::kDone, "");
}

bool all_finite(const toy::Run& run) {
  for (const auto& [name, value] : run.weights())
    if (!at::isfinite(value).all().item<bool>()) return false;
  return true;
}

TEST(TrainerLimits, LeaveStepsOutWhoseGradientsAreNotFiniteAndCountThem) {
  for (const double clip : {0.0, 1.0}) {
    recipe::Recipe recipe = toy::recipe_of(2);
    recipe.train.gradient_clip = clip;
    recipe.train.ema = 0.5;
    toy::Run run(Poison::api());
    Poison::at(2, 4);
    run.train(recipe);
    EXPECT_TRUE(all_finite(run)) << "clip " << clip;
    const auto lines = run.metrics();
    ASSERT_EQ(lines.size(), 2u);
    EXPECT_EQ(lines[0].at("skipped_steps"), 3);
    EXPECT_FALSE(lines[1].contains("skipped_steps"));
    EXPECT_EQ(lines[1].at("steps"), 8);
  }
}

// As if the batch had not been: neither weights nor running statistics keep anything of it.
TEST(TrainerLimits, KeepNothingOfAStepThatIsLeftOut) {
  recipe::Recipe recipe = toy::recipe_of(1);
  toy::Run all_poisoned(Poison::api()), fresh(Poison::api());
  Poison::at(1, 4);
  all_poisoned.train(recipe);
  recipe.train.epochs = 0;
  fresh.train(recipe);
  toy::expect_equal(all_poisoned, fresh);
}

TEST(TrainerLimits, GiveUpAfterTwentyStepsInARowWithTheBatchItsImagesAndTheFirstParameter) {
  toy::Run run(Poison::api());
  Poison::at(6, 1000);
  const Error error = error_of([&] { run.train(toy::recipe_of(20)); });
  EXPECT_EQ(error.code(), ExitCode::kCheckFailed);
  for (const char* part : {"stem.weight", "epoch 7, batch 1", ".png", "20 steps in a row"})
    EXPECT_THAT(error.what(), HasSubstr(part));
  EXPECT_EQ(Poison::count, 25);
  EXPECT_TRUE(all_finite(run));
}

TEST(TrainerLimits, CountStepsInARowAcrossAResume) {
  recipe::Recipe recipe = toy::recipe_of(3);
  toy::Run run(Poison::api());
  Poison::at(1, 1000);
  run.train(recipe);
  recipe.train.epochs = 20;
  EXPECT_EQ(error_of([&] { run.train(recipe, /*resume=*/true); }).code(), ExitCode::kCheckFailed);
  EXPECT_EQ(Poison::count, 20);
}

plugin::Registry& with_unruly() {
  static auto* registry = [] {
    static const test::TemporaryFolder folder;
    fs::copy_file(OSTEON_FIXTURE_PLUGINS "/unruly.so", folder / "unruly.so");
    plugin::RegistryOptions options;
    options.folders = {OSTEON_PLUGIN_FOLDER, folder.path()};
    options.scanner = OSTEON_PROGRAM;
    return new plugin::Registry(options);
  }();
  return *registry;
}

TEST(TrainerLimits, NameALossWhoseGradientIsNotFiniteForFiniteLogits) {
  recipe::Recipe recipe = toy::recipe_of(2);
  recipe.loss.push_back(toy::term("steep", "", with_unruly()));
  // Asked once per output before training, once per output and step, and again when it is looked for.
  recipe.loss.back().component.parameters[0] = std::vector<double>{5};
  toy::Run run;
  run.registry = &with_unruly();
  const Error error = error_of([&] { run.train(recipe); });
  EXPECT_EQ(error.code(), ExitCode::kPlugin);
  for (const char* part : {"loss 'steep', evaluate", "gradient that is not finite", "output '", "class 'a'", ".png'"})
    EXPECT_THAT(error.what(), HasSubstr(part));
  EXPECT_TRUE(all_finite(run));
}

TEST(TrainerLimits, SaveAnEpochBeforeItIsValidatedWhateverThatThrows) {
  const recipe::Recipe recipe = toy::recipe_of(3);
  toy::Run whole, broken;
  whole.train(recipe);
  int validations = 0;
  broken.validate = [&](const plugin::Call&) -> double {
    EXPECT_TRUE(fs::exists(broken.run.checkpoint()));
    if (++validations == 2) throw Error(ExitCode::kPlugin, "a post-processor fails");
    return 0.5;
  };
  EXPECT_EQ(error_of([&] { broken.train(recipe); }).code(), ExitCode::kPlugin);
  EXPECT_EQ(broken.metrics().size(), 1u);
  broken.validate = [&](const plugin::Call&) { return 0.5; };
  broken.train(recipe, /*resume=*/true);
  toy::expect_equal(broken, whole);
  EXPECT_EQ(broken.metrics().size(), 3u);
}

// The line of the metrics says that an epoch was validated.
TEST(TrainerLimits, ValidateAnEpochOnce) {
  recipe::Recipe recipe = toy::recipe_of(2);
  toy::Run run;
  int validations = 0;
  run.validate = [&](const plugin::Call&) { return 0.25 * ++validations; };
  run.train(recipe);
  const auto before = run.metrics();
  recipe.train.epochs = 3;
  const Outcome outcome = run.train(recipe, /*resume=*/true);
  EXPECT_EQ(validations, 3);
  EXPECT_EQ(outcome.best_dice, 0.75);
  EXPECT_EQ(outcome.best_epoch, 3);
  ASSERT_EQ(run.metrics().size(), 3u);
  EXPECT_EQ(run.metrics()[1], before[1]);
}

TEST(TrainerLimits, SayTheLossAndTheRateOfWhatIsDone) {
  recipe::Recipe recipe = toy::recipe_of(2);
  toy::Run run;
  const Outcome first = run.train(recipe);
  const Outcome again = run.train(recipe, /*resume=*/true);
  EXPECT_GT(first.loss, 0);
  EXPECT_EQ(again.loss, first.loss);
  EXPECT_EQ(again.best_dice, 0.5);
  EXPECT_EQ(again.best_epoch, 1);
  EXPECT_EQ(run.metrics()[0].at("lr"), 1e-2);
  EXPECT_EQ(run.metrics()[1].at("loss"), first.loss);
}

int g_forwards = 0, g_refused = 0;

/// A model whose `number`-th forward from now on refuses its images.
const osteon_model_api& refusing_forward(int number) {
  static osteon_model_api api = test::tiny_api();
  g_forwards = 0;
  g_refused = number;
  api.forward = [](const osteon_call* call, osteon_model* model, const osteon_forward_options* options,
                   const osteon_tensor_view* input, std::uint64_t n, osteon_tensor* const* outputs, osteon_tape** tape,
                   osteon_error* error) {
    if (++g_forwards == g_refused) return sdk::detail::report(error, OSTEON_BAD_INPUT, "an image that it cannot take");
    return test::tiny_api().forward(call, model, options, input, n, outputs, tape, error);
  };
  return api;
}

// In the middle of an epoch.
TEST(TrainerLimits, LoseNoStepToAnErrorOfTheData) {
  const recipe::Recipe recipe = toy::recipe_of(2);
  toy::Run whole;
  whole.train(recipe);
  toy::Run failing(refusing_forward(3));
  EXPECT_EQ(error_of([&] { failing.train(recipe); }).code(), ExitCode::kData);
  EXPECT_TRUE(failing.metrics().empty());
  failing.train(recipe, /*resume=*/true);
  EXPECT_EQ(g_forwards, 3 + 6) << "two steps were not taken again";
  toy::expect_equal(failing, whole);
}

// What a group of micro-batches left behind before it failed is no whole step: its running statistics are thrown away.
TEST(TrainerLimits, GoOnFromTheLastWholeStepOfSeveralBatches) {
  recipe::Recipe recipe = toy::recipe_of(2);
  recipe.train.accumulate = 2;
  toy::Run whole;
  whole.train(recipe);
  toy::Run failing(refusing_forward(4));
  EXPECT_EQ(error_of([&] { failing.train(recipe); }).code(), ExitCode::kData);
  failing.train(recipe, /*resume=*/true);
  EXPECT_EQ(g_forwards, 4 + 6);
  toy::expect_equal(failing, whole);
}

TEST(TrainerLimits, GoOnInBatchesOfAnotherSizeWithTheImagesThatAreLeft) {
  recipe::Recipe recipe = toy::recipe_of(1);
  static std::int64_t images, calls;
  static osteon_model_api api = test::tiny_api();
  images = calls = 0;
  api.forward = [](const osteon_call* call, osteon_model* model, const osteon_forward_options* options,
                   const osteon_tensor_view* input, std::uint64_t n, osteon_tensor* const* outputs, osteon_tape** tape,
                   osteon_error* error) {
    if (++calls == 2) return sdk::detail::report(error, OSTEON_BAD_INPUT, "an image that it cannot take");
    images += input->shape[0];
    return test::tiny_api().forward(call, model, options, input, n, outputs, tape, error);
  };
  toy::Run run(api);
  error_of([&] { run.train(recipe); });
  recipe.train.batch_size = 3;
  run.train(recipe, /*resume=*/true);
  EXPECT_EQ(images, toy::kImages);
  EXPECT_EQ(run.metrics()[0].at("steps"), 1 + 2);
}

TEST(TrainerLimits, KeepTheOldCheckpointWhereANewOneCannotBeWritten) {
  recipe::Recipe recipe = toy::recipe_of(1);
  // From the second epoch on files may not grow beyond half a checkpoint; plugins, whose copies are files, are loaded
  // by then.
  static rlimit full;
  full.rlim_cur = 0;
  static osteon_model_api api = test::tiny_api();
  api.forward = [](const osteon_call* call, osteon_model* model, const osteon_forward_options* options,
                   const osteon_tensor_view* input, std::uint64_t n, osteon_tensor* const* outputs, osteon_tape** tape,
                   osteon_error* error) {
    if (full.rlim_cur > 0) ::setrlimit(RLIMIT_FSIZE, &full);
    return test::tiny_api().forward(call, model, options, input, n, outputs, tape, error);
  };
  toy::Run run(api);
  run.train(recipe);
  const std::string before = test::slurp(run.run.checkpoint());
  rlimit kept{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &kept), 0);
  const auto ignored = ::signal(SIGXFSZ, SIG_IGN);
  full = {before.size() / 2, kept.rlim_max};
  recipe.train.epochs = 2;
  const Error error = error_of([&] { run.train(recipe, /*resume=*/true); });
  full.rlim_cur = 0;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &kept), 0);
  ::signal(SIGXFSZ, ignored);
  EXPECT_EQ(error.code(), ExitCode::kResources);
  EXPECT_EQ(error.where(), run.run.checkpoint().string());
  EXPECT_EQ(test::slurp(run.run.checkpoint()), before);
  for (const auto& entry : fs::directory_iterator(run.folder.path()))
    EXPECT_EQ(entry.path().string().find(".part"), std::string::npos) << entry.path();
  run.train(recipe, /*resume=*/true);
}

}  // namespace
}  // namespace osteon::train
