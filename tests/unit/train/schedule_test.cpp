// SPDX-License-Identifier: Apache-2.0
#include "train/schedule.hpp"

#include <gtest/gtest.h>

#include "train/loss_scale.hpp"

namespace osteon::train {
namespace {

double at(const recipe::SchedulerSection& scheduler, std::int64_t epoch, std::int64_t iteration = 0) {
  return learning_rate(scheduler, 1.0, 4, {epoch, iteration, 10});
}

// Values of PyTorch's CosineAnnealingLR(T_max=4, eta_min=0.1) from a base of 1.
TEST(Schedule, FollowsTheCosineByEpoch) {
  recipe::SchedulerSection cosine;
  cosine.min_lr = 0.1;
  const double expected[] = {1.0, 0.868198051533946, 0.55, 0.23180194846605362};
  for (std::int64_t epoch = 0; epoch < 4; ++epoch) {
    EXPECT_NEAR(at(cosine, epoch), expected[epoch], 1e-12);
    EXPECT_EQ(at(cosine, epoch, 9), at(cosine, epoch, 0)) << "by epoch, it stays within one";
  }
}

TEST(Schedule, FollowsTheCosineByIteration) {
  recipe::SchedulerSection cosine;
  cosine.step = "iteration";
  EXPECT_EQ(at(cosine, 0, 0), 1.0);
  EXPECT_NEAR(at(cosine, 2, 0), 0.5, 1e-12);
  for (std::int64_t i = 1; i < 40; ++i) EXPECT_LT(at(cosine, i / 10, i % 10), at(cosine, (i - 1) / 10, (i - 1) % 10));
}

TEST(Schedule, WarmsUpLinearlyAndThenDecaysOverWhatIsLeft) {
  recipe::SchedulerSection cosine;
  cosine.step = "iteration";
  cosine.warmup_epochs = 2;
  for (std::int64_t i = 0; i < 20; ++i)
    EXPECT_NEAR(at(cosine, i / 10, i % 10), static_cast<double>(i + 1) / 20.0, 1e-12);
  EXPECT_EQ(at(cosine, 2, 0), 1.0);
  EXPECT_NEAR(at(cosine, 3, 0), 0.5, 1e-12);
}

TEST(Schedule, StaysWhereItIsWhenConstant) {
  recipe::SchedulerSection constant;
  constant.name = "constant";
  constant.min_lr = 0.3;
  for (std::int64_t epoch = 0; epoch < 4; ++epoch) EXPECT_EQ(at(constant, epoch), 1.0);
}

// With the constants of PyTorch's GradScaler.
TEST(LossScale, HalvesAfterAnInfinityAndDoublesAfterTwoThousandGoodSteps) {
  LossScale scale(true);
  EXPECT_EQ(scale.value(), 65536);
  scale.update(false);
  EXPECT_EQ(scale.value(), 32768);
  for (int i = 0; i < 1999; ++i) scale.update(true);
  EXPECT_EQ(scale.value(), 32768);
  scale.update(true);
  EXPECT_EQ(scale.value(), 65536);
  for (int i = 0; i < 1999; ++i) scale.update(true);
  scale.update(false);  // the count begins again
  for (int i = 0; i < 1999; ++i) scale.update(true);
  EXPECT_EQ(scale.value(), 32768);
}

TEST(LossScale, IsOneWhereItIsNotNeeded) {
  LossScale scale(false);
  scale.update(false);
  EXPECT_EQ(scale.value(), 1);
}

}  // namespace
}  // namespace osteon::train
