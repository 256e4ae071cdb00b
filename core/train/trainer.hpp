// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "data/loader.hpp"
#include "plugin/model.hpp"
#include "plugin/registry.hpp"
#include "recipe/recipe.hpp"
#include "run/metrics_log.hpp"
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

/// OSTEON_PRECISION_* of train.precision.
std::uint32_t abi_precision(const std::string& precision, osteon_device device);

/// The training loop. Writes metrics, checkpoints and the best weights into the run folder as it goes.
///
/// A checkpoint is always of a whole optimizer step. An epoch is saved before it is validated, and its line in the
/// metrics is the last thing written of it: where a checkpoint says that an epoch is trained and the line is there, it
/// is validated too.
///
/// Deterministic on the CPU: the same recipe, data and thread count give the same weights, also across a resume.
class Trainer {
 public:
  /// Touches nothing in the folder. Throws what Objective does.
  explicit Trainer(Setup setup);

  /// Puts the folder's checkpoint into the model, from which run() goes on. Throws as load_checkpoint() does, and
  /// Error(kUsage) where more epochs are trained than the recipe has.
  void load();
  /// Trains to the end. When the user asks to stop, writes a checkpoint of the last
  /// whole step and throws Interrupted; likewise before it throws an error of the data or of resources on. Throws
  /// NotFinite as Objective does, and Error(kCheckFailed) after 20 steps in a row whose gradients were not finite.
  Outcome run();

 private:
  /// What was trained on since the last whole step.
  struct Group {
    int batches = 0;
    double loss_sum = 0;
    std::int64_t loss_count = 0;
    std::int64_t images = 0;         ///< the place in the epoch's order that it came to
    std::vector<std::string> names;  ///< of its images
  };

  /// Cuts the metrics to what is trained, and takes what was validated from them.
  void take_up_metrics();
  void train_to_the_end();
  void train_epoch();
  void train_batch(const data::Batch& batch);
  Objective::Result evaluate(const plugin::Call& call, std::vector<sdk::OwnedTensor> outputs, const Target& target);
  void finish_step();
  void take_step(double norm);
  void leave_step_out();
  void end_epoch();
  bool validation_is_due(std::int64_t epoch) const;
  void validate(std::int64_t epoch, nlohmann::json& line, std::string& text);
  void save();
  /// Saves the last whole step if it is not saved yet, from within whatever came after it.
  void keep_last_step();
  void try_to_keep_last_step() noexcept;
  /// The same from another thread, while this one is in a plugin's call that does not return. Says what was saved.
  std::string keep_from_outside();
  std::string advice() const;
  TrainingState state(const std::vector<HostTensor>& tensors) {
    return {tensors, *optimizer_, *average_, scale_, cursor_};
  }

  Setup setup_;
  plugin::Call call_;      ///< of whatever may be left half done when the user asks to stop
  plugin::Call own_call_;  ///< of the rest
  Gradients gradients_;
  KeptBuffers buffers_;  ///< as of the last whole step
  std::unique_ptr<Optimizer> optimizer_;
  std::unique_ptr<MovingAverage> average_;
  Objective objective_;
  LossScale scale_;
  Cursor cursor_;  ///< of the last whole step
  Group group_;
  run::MetricsLog log_;
  std::mutex whole_;  ///< held while what a checkpoint holds is changed or written
  bool unsaved_ = false;
};

}  // namespace osteon::train
