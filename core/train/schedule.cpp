// SPDX-License-Identifier: Apache-2.0
#include "train/schedule.hpp"

#include <algorithm>
#include <cmath>

namespace osteon::train {

double learning_rate(const recipe::SchedulerSection& scheduler, double base, std::int64_t epochs,
                     const Position& position) {
  const bool by_iteration = scheduler.step == "iteration";
  const double steps_per_epoch = by_iteration ? static_cast<double>(position.iterations_per_epoch) : 1.0;
  const double t = static_cast<double>(position.epoch) * steps_per_epoch +
                   (by_iteration ? static_cast<double>(position.iteration) : 0.0);
  const double warmup = scheduler.warmup_epochs * steps_per_epoch;
  if (t < warmup) return base * std::min(1.0, (t + 1) / warmup);
  if (scheduler.name == "constant") return base;
  const double total = static_cast<double>(epochs) * steps_per_epoch - warmup;
  if (total <= 0) return base;
  constexpr double kPi = 3.14159265358979323846;
  return scheduler.min_lr + (base - scheduler.min_lr) * (1 + std::cos(kPi * std::min(1.0, (t - warmup) / total))) / 2;
}

}  // namespace osteon::train
