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
#include "train/schedule.hpp"

namespace osteon::train {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

plugin::CallOptions call_options(const Setup& setup, const std::atomic<bool>* cancel) {
  plugin::CallOptions options;
  options.threads = setup.threads;
  options.device = setup.device;
  options.cancel = cancel;
  options.who = "training";
  return options;
}

std::uint32_t abi_precision(const std::string& precision, osteon_device device) {
  if (precision == "fp32") return OSTEON_PRECISION_FLOAT32;
  if (precision == "tf32") return OSTEON_PRECISION_TF32;
  return device.type == OSTEON_DEVICE_CUDA ? OSTEON_PRECISION_FLOAT16 : OSTEON_PRECISION_BFLOAT16;
}

/// Undefined for a buffer that is empty.
template <class T>
torch::Tensor on_device(const data::AlignedBuffer<T>& buffer, std::vector<std::int64_t> shape, torch::ScalarType type,
                        osteon_device device) {
  if (buffer.empty()) return {};
  // The batch outlives the step, so the CPU needs no copy.
  const torch::Tensor tensor = torch::from_blob(const_cast<T*>(buffer.data()), shape, type);
  if (device.type == OSTEON_DEVICE_CPU) return tensor;
  // From pinned memory, which LibTorch keeps and reuses, the copy waits neither for the step before nor lets it wait.
  return tensor.pin_memory().to(sdk::to_torch_device(device), type, /*non_blocking=*/true);
}

Target target_of(const data::Batch& batch, osteon_device device) {
  Target target;
  target.planes =
      on_device(batch.planes, {batch.n, batch.planes_per_image, batch.height, batch.width}, torch::kInt32, device);
  target.valid = on_device(batch.valid, {batch.n, batch.height, batch.width}, torch::kUInt8, device);
  target.sample_weight = on_device(batch.sample_weight, {batch.n}, torch::kFloat32, device);
  target.class_valid = on_device(batch.class_valid, {batch.n, batch.classes}, torch::kUInt8, device);
  return target;
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

Trainer::Trainer(Setup setup)
    : setup_(std::move(setup)),
      call_(call_options(setup_, &plugin::interrupted())),
      steps_call_(call_options(setup_, nullptr)),
      gradients_(setup_.model, steps_call_),
      optimizer_(std::make_unique<Optimizer>(setup_.recipe.train.optimizer, gradients_.tensors())),
      average_(std::make_unique<MovingAverage>(setup_.recipe.train.ema, gradients_.tensors())),
      objective_(setup_.recipe, setup_.registry, setup_.classes, setup_.model.outputs(), call_),
      scale_(abi_precision(setup_.recipe.train.precision, setup_.device) == OSTEON_PRECISION_FLOAT16),
      log_(setup_.folder.metrics()) {}

Outcome Trainer::run(bool resume) {
  if (resume) {
    load_checkpoint(setup_.folder.checkpoint(), state());
    setup_.model.parameters_changed();
    log_.keep_up_to(cursor_.epoch);  // lines count epochs from 1
    spdlog::info("going on in epoch {} after {} steps", cursor_.epoch + 1, cursor_.steps);
  }
  while (cursor_.epoch < setup_.recipe.train.epochs) {
    train_epoch();
    try {
      end_epoch();
    } catch (const Interrupted&) {
      // While validating: the epoch's steps are done, and going on begins with the validation.
      stop();
    }
  }
  return {cursor_.epoch, last_loss_, cursor_.best, cursor_.best_epoch, cursor_.seconds};
}

void Trainer::train_epoch() {
  const auto start = Clock::now();
  const int epochs = setup_.recipe.train.epochs;
  setup_.loader.start_epoch(cursor_.epoch, cursor_.batch);
  report::Progress progress(fmt::format("epoch {}/{}", cursor_.epoch + 1, epochs),
                            (setup_.loader.batches_per_epoch() - cursor_.batch) * setup_.recipe.train.batch_size,
                            "images");
  while (auto batch = setup_.loader.next()) {
    train_batch(*batch);
    progress.advance(batch->n, fmt::format("loss {:.4f}", cursor_.loss_sum / static_cast<double>(cursor_.loss_count)));
    setup_.loader.recycle(std::move(*batch));
    if (micro_batches_ == 0 && plugin::interrupted().load()) {
      progress.finish();
      cursor_.seconds += seconds_since(start);
      stop();
    }
  }
  if (micro_batches_ > 0) finish_step();  // the last, shorter group of an epoch
  epoch_seconds_ = seconds_since(start);
  cursor_.seconds += epoch_seconds_;
}

void Trainer::train_batch(const data::Batch& batch) {
  const recipe::TrainSection& train = setup_.recipe.train;
  // A call of its own, whose memory is free again before the next batch.
  const plugin::Call call = steps_call_.derive({});
  const torch::Tensor image =
      on_device(batch.image, {batch.n, batch.channels, batch.height, batch.width}, torch::kFloat32, setup_.device);
  const Target target = target_of(batch, setup_.device);

  plugin::Model::ForwardOptions options;
  options.precision = abi_precision(train.precision, setup_.device);
  // Dropout draws from the step's number, so that a resumed run draws the same.
  options.seed = static_cast<std::uint64_t>(train.seed) * 0x9E3779B97F4A7C15ull +
                 static_cast<std::uint64_t>(cursor_.steps * train.accumulate + micro_batches_);
  const sdk::TorchView input(sdk::canonical(image));
  auto forward = setup_.model.forward(call, input.view(), options);
  auto result = objective_.evaluate(call, std::move(forward.outputs), target, scale_.value() / train.accumulate);
  if (!std::isfinite(result.value))
    throw Error(ExitCode::kPlugin,
                fmt::format("the loss is {} at step {}; a lower learning rate or train.gradient_clip may help",
                            result.value, cursor_.steps));

  std::vector<sdk::TorchView> views;
  views.reserve(result.grads.size());
  std::vector<const osteon_tensor_view*> grads;
  for (torch::Tensor& grad : result.grads) {
    if (!grad.defined()) {
      grads.push_back(nullptr);
      continue;
    }
    views.emplace_back(sdk::canonical(grad));
    grads.push_back(views.back());
  }
  setup_.model.backward(call, std::move(forward.tape), grads);
  cursor_.loss_sum += result.value;
  ++cursor_.loss_count;
  cursor_.batch = batch.number + 1;  // batches that lost all of their samples are counted too
  if (++micro_batches_ == train.accumulate) finish_step();
}

void Trainer::finish_step() {
  const recipe::TrainSection& train = setup_.recipe.train;
  // One norm, of the gradients as they are, says both whether they are finite and by how much they are too long.
  const bool clips = train.gradient_clip > 0;
  const double norm = scale_.active() || clips ? gradients_.norm() / scale_.value() : 0;
  const bool finite = !scale_.active() || std::isfinite(norm);
  if (finite) {
    const double factor = (clips && norm > train.gradient_clip ? train.gradient_clip / norm : 1) / scale_.value();
    if (factor != 1) gradients_.scale(factor);
    const std::int64_t per_epoch = (setup_.loader.batches_per_epoch() + train.accumulate - 1) / train.accumulate;
    const Position position{cursor_.epoch, (cursor_.batch - 1) / train.accumulate, per_epoch};
    learning_rate_ = learning_rate(train.scheduler, train.optimizer.lr, train.epochs, position);
    optimizer_->step(learning_rate_);
    setup_.model.parameters_changed();
    average_->update();
  }
  scale_.update(finite);
  gradients_.zero();
  micro_batches_ = 0;
  ++cursor_.steps;
}

bool Trainer::validation_is_due(std::int64_t epoch) const {
  const int every = setup_.recipe.train.validate_every;
  return setup_.validate && (epoch == setup_.recipe.train.epochs || (every > 0 && epoch % every == 0));
}

void Trainer::end_epoch() {
  const std::int64_t epoch = cursor_.epoch + 1;
  last_loss_ = cursor_.loss_count > 0 ? cursor_.loss_sum / static_cast<double>(cursor_.loss_count) : 0;
  nlohmann::json line = {{"epoch", epoch},
                         {"loss", last_loss_},
                         {"lr", learning_rate_},
                         {"steps", cursor_.steps},
                         {"seconds", epoch_seconds_}};
  std::string text = fmt::format("epoch {}/{}  loss {:.4f}  lr {:.2e}  {}", epoch, setup_.recipe.train.epochs,
                                 last_loss_, learning_rate_, report::duration_text(epoch_seconds_));
  const bool last = epoch == setup_.recipe.train.epochs;
  {
    const AveragesInPlace averages(*average_, setup_.model);
    bool keep = last && !setup_.validate;
    if (validation_is_due(epoch)) {
      plugin::DeriveOptions on_cpu;
      on_cpu.device = osteon_device{OSTEON_DEVICE_CPU, 0};
      on_cpu.who = "validation";
      const double dice = setup_.validate(call_.derive(on_cpu));
      line["dice"] = dice;
      text += fmt::format("  validation Dice {:.4f}", dice);
      keep = dice > cursor_.best;
      if (keep) {
        cursor_.best = dice;
        cursor_.best_epoch = epoch;
        text += "  (best)";
      }
    }
    if (keep) save_weights(setup_.folder.model(), gradients_.tensors());
  }
  log_.append(line);
  fmt::print(stderr, "{}\n", text);
  cursor_.epoch = epoch;
  cursor_.batch = 0;
  cursor_.loss_sum = 0;
  cursor_.loss_count = 0;
  if (last || epoch % setup_.recipe.train.checkpoint_every == 0) save();
}

void Trainer::stop() {
  save();
  throw Interrupted("interrupted; go on with: osteon train --resume " + setup_.folder.root().string());
}

void Trainer::save() { save_checkpoint(setup_.folder.checkpoint(), state()); }

}  // namespace osteon::train
