// SPDX-License-Identifier: Apache-2.0
#include "engine/training.hpp"

#include <functional>
#include <optional>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "base/error.hpp"
#include "data/augment.hpp"
#include "data/dataset_check.hpp"
#include "data/loader.hpp"
#include "engine/device.hpp"
#include "engine/dry_run.hpp"
#include "engine/fitting.hpp"
#include "engine/opener.hpp"
#include "engine/plausible.hpp"
#include "engine/run_record.hpp"
#include "engine/run_start.hpp"
#include "engine/session.hpp"
#include "engine/validation_dice.hpp"
#include "plugin/interrupt.hpp"
#include "report/progress.hpp"
#include "run/run_folder.hpp"
#include "train/trainer.hpp"

namespace osteon::engine {
namespace {

data::LoaderOptions loader_options(const recipe::Recipe& recipe, data::BrokenSamples& broken) {
  data::LoaderOptions options;
  options.size = cv::Size(recipe.data.image_size[1], recipe.data.image_size[0]);
  options.channels = recipe.data.channels;
  options.mean = recipe.data.mean;
  options.std = recipe.data.std;
  options.intensity = data::intensity_of(recipe.data);
  options.batch_size = recipe.train.batch_size;
  options.workers = recipe.data.workers;
  options.prefetch = recipe.data.prefetch;
  options.seed = static_cast<std::uint64_t>(recipe.train.seed);
  options.shuffle = true;
  options.cache_mb = recipe.data.cache_mb;
  options.broken = &broken;
  return options;
}

// Prediction pads; in training padding would be learnt from.
void check_image_size(const recipe::Recipe& recipe, const plugin::Model& model) {
  const std::int64_t multiple = model.size_multiple();
  const auto& size = recipe.data.image_size;
  if (size[0] % multiple == 0 && size[1] % multiple == 0) return;
  const auto next = [multiple](int value) { return (value + multiple - 1) / multiple * multiple; };
  throw Error(ExitCode::kUsage,
              fmt::format("data.image_size is [{}, {}], but model '{}' trains on multiples of {}; [{}, {}] would do",
                          size[0], size[1], model.component().name(), multiple, next(size[0]), next(size[1])));
}

// All parameters are trained, as by default; a model that can only predict says so, before any data is read.
void expect_trainable(plugin::Model& model, const plugin::Call& call) {
  std::vector<std::uint64_t> parameters;
  const auto& tensors = model.tensors(call);
  for (std::size_t i = 0; i < tensors.size(); ++i)
    if (tensors[i].parameter) parameters.push_back(i);
  model.set_trainable(call, parameters);
  model.set_trainable(call, {});  // the trainer makes the gradients
  if (parameters.empty())
    throw Error(ExitCode::kUsage,
                fmt::format("model '{}' has no parameters that could be trained; train.epochs = 0 makes a run of it as "
                            "it is",
                            model.component().name()));
}

/// The chain of a model that is kept as it is, found to fit, and what has to be fitted of it is fitted on: data is read
/// only where something has to be.
std::optional<TrainingData> data_for_kept(const recipe::Recipe& recipe, plugin::Model& model, const Context& context) {
  if (recipe.predict.post.empty()) return std::nullopt;
  const bool fits = check_chain(recipe, model, true, context);
  try_chain(recipe, model, {OSTEON_DEVICE_CPU, 0}, context);
  if (!fits) return std::nullopt;
  TrainingData data = training_data(recipe.data);
  if (data.validation.empty() || !data.dataset->has_labels()) check_chain(recipe, model, false, context);
  return data;
}

// What a broken file would stop in the middle is found before the first step.
void check_data(const TrainingData& data, data::BrokenSamples& broken, const Context& context) {
  std::vector<int> indices = data.train;
  indices.insert(indices.end(), data.validation.begin(), data.validation.end());
  report::Progress progress("checking files", static_cast<std::int64_t>(indices.size()), "images");
  data::check_samples(*data.dataset, indices, broken, context.threads, [&](int, int) {
    if (plugin::interrupted().load()) throw Interrupted();
    progress.advance(1);
  });
  say_other_classes(*data.dataset);
}

void record_end(const run::RunFolder& folder, nlohmann::json& record, const char* status) {
  end_session(record, status);
  folder.write_info(record);
}

// Does the work of a run that has begun, and writes down how it ended.
nlohmann::json recorded(const run::RunFolder& folder, nlohmann::json& record,
                        const std::function<nlohmann::json()>& work) {
  try {
    nlohmann::json result = work();
    record_end(folder, record, "done");
    return result;
  } catch (const Interrupted&) {
    record_end(folder, record, "interrupted");
    throw;
  } catch (const std::exception& e) {
    try {
      record_end(folder, record, "failed");
    } catch (const std::exception& other) {
      spdlog::warn("how the run ended could not be written down: {}", other.what());
    }
    throw;
  }
}

// train.epochs = 0: a run of the model as it begins.
nlohmann::json keep_model(const TrainRequest& request, RunStart& start, const Context& context) {
  const recipe::Recipe& recipe = request.recipe;
  if (start.resumes()) throw Error(ExitCode::kUsage, "train.epochs is 0; there is nothing to go on with");
  const auto model = make_model(recipe, *context.registry, context.threads);
  if (!recipe.model->weights.empty()) load_weights(*model, recipe.model->weights, load_options(*recipe.model));
  const std::optional<TrainingData> data = data_for_kept(recipe, *model, context);
  nlohmann::json record = start.begin();
  return recorded(start.folder(), record, [&] {
    const plugin::Call call = call_of(context);
    train::save_weights(start.folder().model(), train::host_tensors(*model, call));
    if (data) {
      data::BrokenSamples broken(recipe.data.on_broken == "skip" ? data::OnBroken::kSkip : data::OnBroken::kFail);
      record["fitted"] = fit_postprocessors(start.folder(), recipe, *data->dataset, data->validation, context, broken);
    }
    record["result"] = {{"epochs", 0}};
    return nlohmann::json{{"run", request.out.string()},
                          {"summary", fmt::format("model '{}' as it begins, {} tensors", model->component().name(),
                                                  model->tensors(call).size())},
                          {"result", record["result"]}};
  });
}

std::string summary_of(const nlohmann::json& result) {
  std::string text = fmt::format("{} epochs in {}, loss {:.4f}", result.value("epochs", 0),
                                 report::duration_text(result.value("seconds", 0.0)), result.value("loss", 0.0));
  if (result.contains("validation_dice"))
    text += fmt::format(", best validation Dice {:.4f} in epoch {}", result.value("validation_dice", 0.0),
                        result.value("best_epoch", 0));
  return text;
}

nlohmann::json result_of(const train::Outcome& outcome) {
  nlohmann::json result = {{"epochs", outcome.epochs},
                           {"loss", outcome.loss},
                           {"seconds", outcome.seconds},
                           {"best_epoch", outcome.best_epoch}};
  if (outcome.best_dice >= 0) result["validation_dice"] = outcome.best_dice;
  return result;
}

// A run at which there is nothing to do stays as it is.
nlohmann::json done_before(const TrainRequest& request, const run::RunFolder& folder) {
  const nlohmann::json result = folder.read_info().value("result", nlohmann::json::object());
  return {{"run", request.out.string()}, {"summary", "done before: " + summary_of(result)}, {"result", result}};
}

nlohmann::json train_model(const TrainRequest& request, RunStart& start, const Context& context) {
  const recipe::Recipe& recipe = request.recipe;
  plugin::Registry& registry = *context.registry;
  const run::RunFolder& folder = start.folder();
  const plugin::ClassContext classes = class_context(recipe.data);
  auto model = make_model(recipe, registry, context.threads);
  const plugin::Call call = call_of(context);
  expect_trainable(*model, call);
  check_image_size(recipe, *model);
  if (!start.resumes() && !recipe.model->weights.empty())
    load_weights(*model, recipe.model->weights, load_options(*recipe.model));
  const TrainingData data = training_data(recipe.data);
  const bool validates = !data.validation.empty() && data.dataset->has_labels();
  const bool fits = check_chain(recipe, *model, validates, context);
  // One that has to be fitted may have been put into its recipe.
  if (start.is_done() && !fits) return done_before(request, folder);

  std::vector<plugin::LoadedComponent> components = {model->component()};
  for (const recipe::LossTerm& term : recipe.loss)
    components.push_back(registry.load(plugin::Kind::kLoss, term.component.plugin, term.component.version));
  const osteon_device device = choose_device("train.device", recipe.train.device, components);
  if (recipe.train.precision == "amp" && device.type == OSTEON_DEVICE_CPU)
    expect_sound_kernels(context.kernels, "bfloat16", "train.precision = \"amp\"", "\"fp32\" trains without");
  move_model(*model, device);
  try_training(recipe, device, context);

  data::BrokenSamples broken(recipe.data.on_broken == "skip" ? data::OnBroken::kSkip : data::OnBroken::kFail);
  const data::AugmentPipeline augment(recipe.augment, registry, classes);
  data::Loader loader(*data.dataset, data.train, &augment, loader_options(recipe, broken));
  train::Setup setup{recipe, registry, classes, *model, loader, folder, device, context.threads, {}};
  if (validates)
    setup.validate = [&](const plugin::Call& validation) {
      return validation_dice(recipe, *model, *data.dataset, data.validation, device, context, broken, validation);
    };
  train::Trainer trainer(std::move(setup));
  if (start.resumes()) trainer.load();
  check_data(data, broken, context);
  spdlog::info("{} training and {} validation images, {} tensors in the model", data.train.size(),
               data.validation.size(), model->tensors(call).size());

  nlohmann::json record = start.begin();
  return recorded(folder, record, [&] {
    record["skipped"] = nlohmann::json::array();
    const auto note_skipped = [&] {
      record["skipped"] = nlohmann::json::array();
      for (const data::Problem& problem : broken.problems())
        record["skipped"].push_back({{"id", problem.id}, {"where", problem.where}, {"message", problem.message}});
    };
    try {
      record["result"] = result_of(trainer.run());
      // What predictions are held against. Now, since all labels have to be read for it, and an interruption finds a
      // checkpoint here.
      if (data.dataset->has_labels() && !record.contains("labels")) {
        record["labels"] = measure_labels(recipe, *data.dataset, data.train, context, broken);
        folder.write_info(record);
      }
      if (fits) record["fitted"] = fit_postprocessors(folder, recipe, *data.dataset, data.validation, context, broken);
    } catch (...) {
      note_skipped();
      throw;
    }
    note_skipped();
    if (broken.count() > 0) spdlog::warn("{}", broken.summary());
    return nlohmann::json{
        {"run", request.out.string()}, {"summary", summary_of(record["result"])}, {"result", record["result"]}};
  });
}

nlohmann::json train_ensemble(const TrainRequest& request, RunStart& start, const Context& context) {
  if (start.resumes())
    throw Error(ExitCode::kUsage, "an ensemble has no checkpoint to go on from; fit it anew with --overwrite");
  Opener opener(context, request.recipe);
  // Opening it checks the members: that they are runs, with these classes and with weights. It reads none of them.
  const OpenedRun run = opener.open_new(request.out, request.recipe);
  if (run.ensembler->fit() != nullptr || !run.chain.fitted.empty()) try_prediction(request.recipe, run, context);
  nlohmann::json record = start.begin();
  return recorded(start.folder(), record, [&] { return fit_ensemble(request, run, opener, context, record); });
}

}  // namespace

nlohmann::json run_training(const TrainRequest& request, const Context& context) {
  RunStart start(request, context);
  if (start.is_done() && request.go_on) return done_before(request, start.folder());
  if (request.recipe.ensemble) return train_ensemble(request, start, context);
  if (request.recipe.train.epochs == 0) return keep_model(request, start, context);
  return train_model(request, start, context);
}

}  // namespace osteon::engine
