// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <vector>

#include "train/cursor.hpp"
#include "train/ema.hpp"
#include "train/loss_scale.hpp"
#include "train/optimizer.hpp"
#include "train/parameters.hpp"

namespace osteon::train {

/// Everything that the next step depends on. Tensors may lie elsewhere than the model's, with the same names.
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
