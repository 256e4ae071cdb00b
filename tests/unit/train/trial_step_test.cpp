// SPDX-License-Identifier: Apache-2.0
#include "train/trial_step.hpp"

#include <ATen/CPUGeneratorImpl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plugin/pool.hpp"
#include "unit/train/toy_training.hpp"

namespace osteon::train {
namespace {

using toy::recipe_of;

constexpr osteon_device kCpu{OSTEON_DEVICE_CPU, 0};

plugin::ClassContext classes_of(const recipe::Recipe& recipe) {
  plugin::ClassContext classes;
  classes.multiclass = true;
  classes.names = recipe.data.classes;
  return classes;
}

void try_tiny(const recipe::Recipe& recipe, const osteon_model_api& api = test::tiny_api()) {
  const auto model = test::tiny_model(plugin::Call(), recipe.data.channels, 3, api);
  try_step(recipe, test::registry(), classes_of(recipe), *model, {8, 8}, kCpu, 1);
}

TEST(TrialStep, LeavesNoTrace) {
  const recipe::Recipe recipe = recipe_of(3);
  toy::Run without, with;
  without.train(recipe);
  at::Generator generator = at::detail::getDefaultCPUGenerator();
  const at::Tensor state = generator.get_state().clone();
  const std::size_t memory = plugin::host_pool().in_use();
  try_tiny(recipe);
  EXPECT_TRUE(at::equal(generator.get_state(), state)) << "something drew from the generator of all";
  EXPECT_EQ(plugin::host_pool().in_use(), memory);
  with.train(recipe);
  toy::expect_equal(with, without);
}

TEST(TrialStep, FindsABackwardThatFails) {
  static const osteon_model_api api = [] {
    osteon_model_api made = test::tiny_api();
    made.backward = [](const osteon_call*, osteon_model*, osteon_tape*, std::uint64_t, const osteon_tensor_view* const*,
                       osteon_gradient_ready, void*, osteon_tensor*,
                       osteon_error* error) { return sdk::detail::report(error, OSTEON_FAILED, "cannot go back"); };
    return made;
  }();
  const Error error = tests::error_of([&] { try_tiny(recipe_of(1), api); });
  EXPECT_EQ(error.code(), ExitCode::kPlugin);
  EXPECT_THAT(error.what(), ::testing::HasSubstr("cannot go back"));
}

TEST(TrialStep, FindsALossForAnOutputThatTheModelDoesNotHave) {
  recipe::Recipe recipe = recipe_of(1);
  recipe.loss.push_back(toy::term("bce", "nowhere"));
  EXPECT_EQ(tests::error_of([&] { try_tiny(recipe); }).code(), ExitCode::kUsage);
}

}  // namespace
}  // namespace osteon::train
