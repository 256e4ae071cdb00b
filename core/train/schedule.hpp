// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "recipe/recipe.hpp"

namespace osteon::train {

/// Where training stands.
struct Position {
  std::int64_t epoch = 0;                 ///< 0-based
  std::int64_t iteration = 0;             ///< optimizer steps within the epoch, 0-based
  std::int64_t iterations_per_epoch = 1;  ///< optimizer steps
};

/// The learning rate of the optimizer step at `position`, a pure function, so that a resumed run has the same.
///
/// "cosine" follows Loshchilov and Hutter, "SGDR", arXiv:1608.03983, without restarts:
///     lr = min_lr + (base - min_lr) (1 + cos(pi t / T)) / 2
/// with t and T in epochs or iterations as `scheduler.step` says (by epoch as PyTorch's CosineAnnealingLR does),
/// counted from the end of the warm-up. Warm-up is linear from base / W to base over its W steps.
double learning_rate(const recipe::SchedulerSection& scheduler, double base, std::int64_t epochs,
                     const Position& position);

}  // namespace osteon::train
