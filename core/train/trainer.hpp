// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "data/loader.hpp"
#include "plugin/model.hpp"
#include "plugin/registry.hpp"
#include "recipe/recipe.hpp"
#include "run/run_folder.hpp"
#include "train/checkpoint.hpp"
#include "train/gradients.hpp"
#include "train/objective.hpp"

namespace osteon::train {

/// What the trainer works with; all of it outlives the trainer.
struct Setup {
  const recipe::Recipe& recipe;
  plugin::Registry& registry;
  plugin::ClassContext classes;
  plugin::Model& model;
  data::Loader& loader;
  const run::RunFolder& folder;
  osteon_device device{OSTEON_DEVICE_CPU, 0};
  int threads = 1;
  /// Mean Dice on the validation images with the model as it is; empty when there is nothing to validate on. The call
  /// is of the CPU, and cancelled when the user asks to stop.
  std::function<double(const plugin::Call&)> validate;
};

/// How a training went.
struct Outcome {
  std::int64_t epochs = 0;
  double loss = 0;        ///< mean over the last epoch
  double best_dice = -1;  ///< on the validation images; below 0: never validated
  std::int64_t best_epoch = -1;
  double seconds = 0;
};

/// The training loop. Writes metrics, checkpoints and the best weights into the run folder as it goes.
///
/// Deterministic on the CPU: the same recipe, data and thread count give the same weights, also across a resume.
class Trainer {
 public:
  explicit Trainer(Setup setup);

  /// Trains from the start, or from the folder's checkpoint. Throws Interrupted, with a checkpoint written, when the
  /// user asks to stop; Error(kPlugin) when the loss is not finite.
  Outcome run(bool resume);

 private:
  void train_epoch();
  void train_batch(const data::Batch& batch);
  void finish_step();
  void end_epoch();
  bool validation_is_due(std::int64_t epoch) const;
  void save();
  /// Saves a checkpoint and throws Interrupted.
  [[noreturn]] void stop();
  TrainingState state() { return {gradients_.tensors(), *optimizer_, *average_, scale_, cursor_}; }

  Setup setup_;
  plugin::Call call_;        ///< of the training as a whole, until the user asks to stop
  plugin::Call steps_call_;  ///< of its steps, none of which is left half done
  Gradients gradients_;
  std::unique_ptr<Optimizer> optimizer_;
  std::unique_ptr<MovingAverage> average_;
  Objective objective_;
  LossScale scale_;
  Cursor cursor_;
  run::MetricsLog log_;
  int micro_batches_ = 0;  ///< since the last optimizer step
  double learning_rate_ = 0;
  double epoch_seconds_ = 0;
  double last_loss_ = 0;
};

}  // namespace osteon::train
