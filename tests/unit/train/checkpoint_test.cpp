// SPDX-License-Identifier: Apache-2.0
#include "train/checkpoint.hpp"

#include <cmath>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "support/program.hpp"
#include "weights/safetensors.hpp"

namespace osteon::train {
namespace {

using ::testing::HasSubstr;

/// A training state of two parameters and a buffer.
struct State {
  std::vector<HostTensor> tensors;
  std::unique_ptr<Optimizer> optimizer;
  std::unique_ptr<MovingAverage> average;
  LossScale scale{true};
  Cursor cursor;

  explicit State(double fill, double decay = 0.5) {
    for (const char* name : {"a.weight", "b.weight"})
      tensors.push_back({name, true, at::full({2, 3}, fill), at::full({2, 3}, 0.1), true});
    tensors.push_back({"mean", false, at::full({2}, fill), {}, true});
    optimizer = std::make_unique<Optimizer>(recipe::OptimizerSection(), tensors);
    average = std::make_unique<MovingAverage>(decay, tensors);
  }
  TrainingState view() { return {tensors, *optimizer, *average, scale, cursor}; }
  void step() {
    optimizer->step(0.1);
    average->update();
  }
};

class CheckpointFile : public ::testing::Test {
 protected:
  test::TemporaryFolder folder_;
  std::filesystem::path path_ = folder_ / "checkpoint.safetensors";
};

void expect_same_next_steps(State& a, State& b) {
  for (int i = 0; i < 2; ++i) {
    a.step();
    b.step();
  }
  for (std::size_t i = 0; i < a.tensors.size(); ++i) EXPECT_TRUE(at::equal(a.tensors[i].value, b.tensors[i].value));
  const NamedState one = a.average->state(), other = b.average->state();
  ASSERT_EQ(one.size(), other.size());
  for (std::size_t i = 0; i < one.size(); ++i) EXPECT_TRUE(at::equal(one[i].second, other[i].second)) << one[i].first;
}

TEST_F(CheckpointFile, BringsBackEverything) {
  State before(1), after(2);
  before.step();
  before.cursor.epoch = 3;
  before.cursor.images = 5;
  before.cursor.trained = true;
  before.cursor.steps = 7;
  before.cursor.loss_sum = 0.1 + 0.2;
  before.cursor.loss_count = 2;
  before.cursor.learning_rate = 1e-3;
  before.cursor.skipped = 4;
  before.cursor.skipped_in_row = 2;
  before.cursor.last_loss = 0.7;
  before.cursor.best = 0.9;
  before.cursor.best_epoch = 2;
  before.scale.update(false);
  save_checkpoint(path_, before.view());
  load_checkpoint(path_, after.view());
  EXPECT_EQ(to_json(after.cursor), to_json(before.cursor));
  EXPECT_EQ(after.scale.value(), before.scale.value());
  expect_same_next_steps(before, after);
}

// With averages, whose tensors are there from the beginning; as when every step so far was left out.
TEST_F(CheckpointFile, BringsBackATrainingBeforeItsFirstStep) {
  State before(1), after(2);
  save_checkpoint(path_, before.view());
  load_checkpoint(path_, after.view());
  expect_same_next_steps(before, after);
}

TEST_F(CheckpointFile, IsRefusedWhereItIsNotFinite) {
  const auto refusal = [&](State& saved) -> std::string {
    State state(1);
    state.tensors[2].value[1] = -INFINITY;
    save_checkpoint(path_, saved.view());
    try {
      load_checkpoint(path_, state.view());
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ExitCode::kData);
      EXPECT_EQ(e.where(), path_.string());
      return e.what();
    }
    return "taken";
  };
  State mask(1);
  mask.tensors[2].value[1] = -INFINITY;  // as the model begins with
  EXPECT_EQ(refusal(mask), "taken");
  State buffer(1), parameter(1), optimizer(1);
  buffer.tensors[2].value[0] = INFINITY;
  EXPECT_THAT(refusal(buffer), HasSubstr("'weights/mean' is not finite (1 of 2 values)"));
  parameter.tensors[1].value[1][2] = INFINITY;
  EXPECT_THAT(refusal(parameter), HasSubstr("'weights/b.weight' is not finite (1 of 6 values)"));
  optimizer.tensors[0].grad.fill_(NAN);
  optimizer.step();
  optimizer.tensors[0].value.fill_(1);
  EXPECT_THAT(refusal(optimizer), HasSubstr("a.weight' is not finite (6 of 6 values)"));
}

TEST_F(CheckpointFile, IsRefusedWhereItIsOfAnotherModelOrAnotherFormat) {
  State state(1);
  EXPECT_THROW(load_checkpoint(path_, state.view()), Error);
  save_checkpoint(path_, state.view());
  State other(1);
  other.tensors[0].name = "c.weight";
  EXPECT_THROW(load_checkpoint(path_, other.view()), Error);
  weights::write_safetensors(path_, {}, {{"format", "osteon-checkpoint-1"}, {"cursor", "{}"}});
  try {
    load_checkpoint(path_, state.view());
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::kData);
    EXPECT_THAT(e.what(), HasSubstr("osteon-checkpoint-1"));
  }
}

}  // namespace
}  // namespace osteon::train
