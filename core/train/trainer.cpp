// SPDX-License-Identifier: Apache-2.0
#include "train/trainer.hpp"

#include <chrono>
#include <cmath>

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <torch/utils.h>
#include <osteon/sdk/torch/tensor.hpp>

#include "plugin/interrupt.hpp"
#include "report/progress.hpp"
#include "train/batch_tensors.hpp"
#include "train/schedule.hpp"

namespace osteon::train {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::int64_t kMostSkippedInRow = 20;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

plugin::CallOptions call_options(const Setup& setup, const std::atomic<bool>* cancel) {
  plugin::CallOptions options;
  options.threads = setup.threads;
  options.device = setup.device;
  options.cancel = cancel;
  options.who = "training";
  return options;
}

// What can be mended outside: a file, a full disk, too little memory. A plugin that fails or diverges leaves the last
// checkpoint, for the step that it came to may be past saving.
bool can_be_mended(const std::exception& e) {
  const auto* error = dynamic_cast<const Error*>(&e);
  return error == nullptr || error->code() == ExitCode::kData || error->code() == ExitCode::kResources;
}

/// The averages stand where the parameters do for as long as this lives, whatever happens in between.
class AveragesInPlace {
 public:
  AveragesInPlace(MovingAverage& average, plugin::Model& model) : average_(average), model_(model) { exchange(); }
  ~AveragesInPlace() { exchange(); }
  AveragesInPlace(const AveragesInPlace&) = delete;
  AveragesInPlace& operator=(const AveragesInPlace&) = delete;

 private:
  void exchange() {
    if (!average_.active()) return;
    average_.swap();
    model_.parameters_changed();
  }
  MovingAverage& average_;
  plugin::Model& model_;
};

}  // namespace

std::uint32_t abi_precision(const std::string& precision, osteon_device device) {
  if (precision == "fp32") return OSTEON_PRECISION_FLOAT32;
  if (precision == "tf32") return OSTEON_PRECISION_TF32;
  return device.type == OSTEON_DEVICE_CUDA ? OSTEON_PRECISION_FLOAT16 : OSTEON_PRECISION_BFLOAT16;
}

Trainer::Trainer(Setup setup)
    : setup_(std::move(setup)),
      call_(call_options(setup_, &plugin::interrupted())),
      own_call_(call_options(setup_, nullptr)),
      gradients_(setup_.model, own_call_),
      buffers_(gradients_.tensors()),
      optimizer_(std::make_unique<Optimizer>(setup_.recipe.train.optimizer, gradients_.tensors())),
      average_(std::make_unique<MovingAverage>(setup_.recipe.train.ema, gradients_.tensors())),
      objective_(setup_.recipe, setup_.registry, setup_.classes, setup_.model.outputs(), call_),
      scale_(abi_precision(setup_.recipe.train.precision, setup_.device) == OSTEON_PRECISION_FLOAT16),
      log_(setup_.folder.metrics()) {}

void Trainer::load() {
  load_checkpoint(setup_.folder.checkpoint(), state(gradients_.tensors()));
  setup_.model.parameters_changed();
  buffers_.keep();
  if (cursor_.epoch > setup_.recipe.train.epochs)
    throw Error(ExitCode::kUsage, fmt::format("train.epochs is {}, and the run has trained {} already",
                                              setup_.recipe.train.epochs, cursor_.epoch));
}

Outcome Trainer::run() {
  take_up_metrics();
  const plugin::BeforeForcedEnd last_resort([this] { return keep_from_outside(); });
  try {
    train_to_the_end();
  } catch (const Interrupted&) {
    keep_last_step();
    throw Interrupted("interrupted; go on with: osteon train --resume " + setup_.folder.root().string());
  } catch (const std::exception& e) {
    // Nothing is lost that a step has not made.
    if (cursor_.steps > 0 && can_be_mended(e)) try_to_keep_last_step();
    throw;
  }
  return {cursor_.epoch, cursor_.last_loss, cursor_.best, cursor_.best_epoch, cursor_.seconds};
}

void Trainer::take_up_metrics() {
  log_.keep_up_to(cursor_.epoch + (cursor_.trained ? 1 : 0));  // lines count epochs from 1
  for (const nlohmann::json& line : log_.read()) {
    if (line.value("epoch", std::int64_t{0}) != cursor_.epoch + 1) continue;
    if (const double dice = line.value("dice", -1.0); dice > cursor_.best) {
      cursor_.best = dice;
      cursor_.best_epoch = cursor_.epoch + 1;
    }
    cursor_.next_epoch();
    break;
  }
  if (cursor_.steps > 0 && cursor_.epoch < setup_.recipe.train.epochs)
    spdlog::info("going on in epoch {} after {} steps", cursor_.epoch + 1, cursor_.steps);
}

void Trainer::train_to_the_end() {
  unsaved_ = cursor_.steps == 0;
  while (cursor_.epoch < setup_.recipe.train.epochs) {
    if (!cursor_.trained) train_epoch();
    end_epoch();
  }
}

void Trainer::train_epoch() {
  setup_.loader.start_epoch(cursor_.epoch, cursor_.images);
  group_ = {};
  report::Progress progress(fmt::format("epoch {}/{}", cursor_.epoch + 1, setup_.recipe.train.epochs),
                            setup_.loader.images() - cursor_.images, "images");
  auto start = Clock::now();
  const auto count_seconds = [&] {
    cursor_.epoch_seconds += seconds_since(start);
    cursor_.seconds += seconds_since(start);
    start = Clock::now();
  };
  while (true) {
    if (plugin::interrupted().load()) throw Interrupted();
    auto batch = setup_.loader.next();
    if (!batch) break;
    train_batch(*batch);
    if (group_.batches == setup_.recipe.train.accumulate) {
      finish_step();
      count_seconds();
    }
    progress.advance(batch->n, cursor_.loss_count > 0 ? fmt::format("loss {:.4f}", cursor_.mean_loss()) : "");
    setup_.loader.recycle(std::move(*batch));
  }
  if (group_.batches > 0) finish_step();  // the last, shorter group of an epoch
  const std::lock_guard<std::mutex> lock(whole_);
  count_seconds();
  cursor_.images = setup_.loader.images();
  cursor_.trained = true;
  unsaved_ = true;
}

void Trainer::train_batch(const data::Batch& batch) {
  const recipe::TrainSection& train = setup_.recipe.train;
  // A call of its own, whose memory is free again before the next batch.
  const plugin::Call call = call_.derive({});
  const torch::Tensor image = images_of(batch, setup_.device);
  const Target target = target_of(batch, setup_.loader.dataset(), setup_.device);
  group_.names.insert(group_.names.end(), target.names.begin(), target.names.end());

  plugin::Model::ForwardOptions options;
  options.precision = abi_precision(train.precision, setup_.device);
  // Dropout draws from the step's number, so that a resumed run draws the same.
  options.seed = static_cast<std::uint64_t>(train.seed) * 0x9E3779B97F4A7C15ull +
                 static_cast<std::uint64_t>(cursor_.steps * train.accumulate + group_.batches);
  const sdk::TorchView input(sdk::canonical(image));
  auto forward = setup_.model.forward(call, input.view(), options);
  const Objective::Result result = evaluate(call, std::move(forward.outputs), target);

  std::vector<sdk::TorchView> views;
  views.reserve(result.grads.size());
  std::vector<const osteon_tensor_view*> grads;
  for (const torch::Tensor& grad : result.grads) {
    if (!grad.defined()) {
      grads.push_back(nullptr);
      continue;
    }
    views.emplace_back(sdk::canonical(grad));
    grads.push_back(views.back());
  }
  setup_.model.backward(call, std::move(forward.tape), grads);
  group_.loss_sum += result.value;
  ++group_.loss_count;
  group_.images = batch.end;
  ++group_.batches;
}

Objective::Result Trainer::evaluate(const plugin::Call& call, std::vector<sdk::OwnedTensor> outputs,
                                    const Target& target) {
  try {
    return objective_.evaluate(call, std::move(outputs), target, scale_.value() / setup_.recipe.train.accumulate);
  } catch (const NotFinite& e) {
    const std::string who = e.by_model() ? "model '" + setup_.model.component().name() + "', forward: " : "";
    throw NotFinite(fmt::format("{}{} at step {}{}", who, e.what(), cursor_.steps + 1, e.by_model() ? advice() : ""),
                    e.by_model());
  }
}

std::string Trainer::advice() const {
  // Before the first step nothing was learnt at any rate.
  if (cursor_.steps <= cursor_.skipped_in_row)
    return "; no step was taken so far, so look at the weights that it began with and, with train.precision = \"amp\", "
           "try \"fp32\"";
  return "; a lower train.optimizer.lr or train.gradient_clip may help";
}

void Trainer::finish_step() {
  const std::lock_guard<std::mutex> lock(whole_);
  // One norm, of the gradients as they are, says both whether they are finite and by how much they are too long.
  const double norm = gradients_.norm() / scale_.value();
  const bool finite = std::isfinite(norm);
  cursor_.images = group_.images;
  cursor_.loss_sum += group_.loss_sum;
  cursor_.loss_count += group_.loss_count;
  if (finite)
    take_step(norm);
  else
    leave_step_out();
  scale_.update(finite);
  gradients_.zero();
  buffers_.keep();
  ++cursor_.steps;
  unsaved_ = true;
  group_ = {};
}

void Trainer::take_step(double norm) {
  const recipe::TrainSection& train = setup_.recipe.train;
  const bool clips = train.gradient_clip > 0 && norm > train.gradient_clip;
  const double factor = (clips ? train.gradient_clip / norm : 1) / scale_.value();
  if (factor != 1) gradients_.scale(factor);
  const auto groups = [&](std::int64_t images) {
    const std::int64_t batches = (images + train.batch_size - 1) / train.batch_size;
    return (batches + train.accumulate - 1) / train.accumulate;
  };
  const Position position{cursor_.epoch, groups(cursor_.images) - 1, groups(setup_.loader.images())};
  cursor_.learning_rate = learning_rate(train.scheduler, train.optimizer.lr, train.epochs, position);
  optimizer_->step(cursor_.learning_rate);
  setup_.model.parameters_changed();
  average_->update();
  cursor_.skipped_in_row = 0;
}

void Trainer::leave_step_out() {
  const std::string parameter = gradients_.first_not_finite();
  // The forward may have left what is not finite in running statistics too.
  buffers_.restore();
  setup_.model.parameters_changed();
  ++cursor_.skipped;
  ++cursor_.skipped_in_row;
  const std::string what =
      fmt::format("the gradient of parameter '{}' is not finite (epoch {}, batch {}: {})", parameter, cursor_.epoch + 1,
                  (cursor_.images + setup_.recipe.train.batch_size - 1) / setup_.recipe.train.batch_size,
                  fmt::join(group_.names, ", "));
  if (cursor_.skipped_in_row == kMostSkippedInRow)
    throw Error(ExitCode::kCheckFailed, fmt::format("{}, as in {} steps in a row, none of which was taken{}", what,
                                                    kMostSkippedInRow, advice()));
  // Where gradients are scaled, the scale is found by such steps.
  if (!scale_.active() && cursor_.skipped == 1) spdlog::warn("step {} is left out: {}", cursor_.steps + 1, what);
}

bool Trainer::validation_is_due(std::int64_t epoch) const {
  const int every = setup_.recipe.train.validate_every;
  return setup_.validate && (epoch == setup_.recipe.train.epochs || (every > 0 && epoch % every == 0));
}

void Trainer::validate(std::int64_t epoch, nlohmann::json& line, std::string& text) {
  const bool last = epoch == setup_.recipe.train.epochs;
  const bool due = validation_is_due(epoch);
  bool keep = last && !setup_.validate;
  if (!due && !keep) return;
  const std::lock_guard<std::mutex> lock(whole_);
  const AveragesInPlace averages(*average_, setup_.model);
  if (due) {
    plugin::DeriveOptions on_cpu;
    on_cpu.device = osteon_device{OSTEON_DEVICE_CPU, 0};
    on_cpu.who = "validation";
    const double dice = setup_.validate(call_.derive(on_cpu));
    line["dice"] = dice;
    text += fmt::format("  validation Dice {:.4f}", dice);
    keep = dice > cursor_.best;
    if (keep) text += "  (best)";
  }
  if (keep) save_weights(setup_.folder.model(), gradients_.tensors());
  if (keep && due) {
    cursor_.best = line["dice"];
    cursor_.best_epoch = epoch;
  }
}

void Trainer::end_epoch() {
  const std::int64_t epoch = cursor_.epoch + 1;
  const int epochs = setup_.recipe.train.epochs;
  const bool due = epoch == epochs || epoch % setup_.recipe.train.checkpoint_every == 0 || validation_is_due(epoch);
  if (due && unsaved_) save();
  nlohmann::json line = {{"epoch", epoch},
                         {"loss", cursor_.mean_loss()},
                         {"lr", cursor_.learning_rate},
                         {"steps", cursor_.steps},
                         {"seconds", cursor_.epoch_seconds}};
  if (cursor_.skipped > 0) line["skipped_steps"] = cursor_.skipped;
  std::string text = fmt::format("epoch {}/{}  loss {:.4f}  lr {:.2e}  {}", epoch, epochs, cursor_.mean_loss(),
                                 cursor_.learning_rate, report::duration_text(cursor_.epoch_seconds));
  if (cursor_.skipped > 0) text += fmt::format("  {} steps left out", cursor_.skipped);
  validate(epoch, line, text);
  log_.append(line);
  fmt::print(stderr, "{}\n", text);
  const std::lock_guard<std::mutex> lock(whole_);
  cursor_.next_epoch();
}

void Trainer::save() {
  const std::lock_guard<std::mutex> lock(whole_);
  save_checkpoint(setup_.folder.checkpoint(), state(buffers_.tensors()));
  unsaved_ = false;
}

void Trainer::keep_last_step() {
  if (unsaved_) save();
}

void Trainer::try_to_keep_last_step() noexcept {
  try {
    keep_last_step();
  } catch (const std::exception& e) {
    spdlog::error("the last whole step could not be saved: {}", e.what());
  }
}

std::string Trainer::keep_from_outside() {
  const std::string advice = "go on with: osteon train --resume " + setup_.folder.root().string();
  // Whoever holds it has the parameters in another state, of which the last checkpoint is from before.
  const std::unique_lock<std::mutex> lock(whole_, std::try_to_lock);
  // A device that does not answer would not give its tensors either.
  if (!lock || !unsaved_ || setup_.device.type != OSTEON_DEVICE_CPU) return advice;
  save_checkpoint(setup_.folder.checkpoint(), state(buffers_.tensors()));
  return advice;
}

}  // namespace osteon::train
