// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "train/ema.hpp"
#include "train/loss_scale.hpp"
#include "train/optimizer.hpp"
#include "train/parameters.hpp"

namespace osteon::train {

/// Where training stands between two optimizer steps, with the sums of the epoch that is under way.
struct Cursor {
  std::int64_t epoch = 0;  ///< the one to go on in
  std::int64_t batch = 0;  ///< its first batch that was not trained on
  std::int64_t steps = 0;  ///< optimizer steps so far
  double loss_sum = 0;     ///< over the epoch's batches so far
  std::int64_t loss_count = 0;
  double best = -1;  ///< best validation Dice so far; below 0: none
  std::int64_t best_epoch = -1;
  double seconds = 0;  ///< of training so far
};

/// Everything that the next step depends on.
struct TrainingState {
  const std::vector<HostTensor>& tensors;
  Optimizer& optimizer;
  MovingAverage& average;
  LossScale& scale;
  Cursor& cursor;
};

/// One safetensors file, replaced as a whole: weights, optimizer, averages, and the rest as metadata.
void save_checkpoint(const std::filesystem::path& path, const TrainingState& state);

/// Puts a checkpoint's content into `state`. Throws Error(kData) when it is of another model or is damaged.
void load_checkpoint(const std::filesystem::path& path, const TrainingState& state);

/// The weights alone, as `model.safetensors` keeps them.
void save_weights(const std::filesystem::path& path, const std::vector<HostTensor>& tensors);

}  // namespace osteon::train
