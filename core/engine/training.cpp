// SPDX-License-Identifier: Apache-2.0
#include "engine/training.hpp"

#include <chrono>
#include <ctime>
#include <functional>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "base/error.hpp"
#include "base/file.hpp"
#include "data/augment.hpp"
#include "data/check.hpp"
#include "data/loader.hpp"
#include "engine/device.hpp"
#include "engine/doctor.hpp"
#include "engine/environment.hpp"
#include "engine/fitting.hpp"
#include "engine/prediction.hpp"
#include "engine/session.hpp"
#include "report/progress.hpp"
#include "run/run_folder.hpp"
#include "train/trainer.hpp"

namespace osteon::engine {
namespace fs = std::filesystem;
namespace {

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

// A run that is there is somebody's work: it is replaced only when that was asked for, and only if it is a run.
void prepare_folder(const TrainRequest& request) {
  const fs::path& out = request.out;
  if (!fs::exists(out) || fs::is_empty(out)) return;
  if (!fs::exists(out / "recipe.toml"))
    throw Error(ExitCode::kUsage, "the folder is there, is not empty and is no run; choose another with --out",
                out.string());
  if (!request.overwrite)
    throw Error(ExitCode::kUsage, "there is a run already; --overwrite replaces it, --resume goes on with it",
                out.string());
  for (const char* file : {"recipe.toml", "run.json", "model.safetensors", "fitted.safetensors",
                           "checkpoint.safetensors", "metrics.jsonl", "evaluation.json", "evaluation.csv"})
    fs::remove(out / file);
}

nlohmann::json describe_run(const recipe::Recipe& recipe, plugin::Registry& registry, const Context& context) {
  const NumericEnvironment environment = prepare_numeric_environment();
  nlohmann::json plugins = nlohmann::json::array();
  const auto add = [&](const recipe::Component& component) {
    plugins.push_back(run::plugin_record(registry.load(component.kind, component.plugin, component.version)));
  };
  if (recipe.model) add(recipe.model->component);
  if (recipe.ensemble) add(recipe.ensemble->component);
  for (const recipe::LossTerm& term : recipe.loss) add(term.component);
  const std::function<void(const recipe::AugmentStep&)> add_step = [&](const recipe::AugmentStep& step) {
    if (step.group.empty()) add(step.component);
    for (const recipe::AugmentStep& child : step.steps) add_step(child);
  };
  for (const recipe::AugmentStep& step : recipe.augment) add_step(step);
  for (const recipe::Component& post : recipe.predict.post) add(post);
  return {{"name", recipe.name},
          {"started", utc_now()},
          {"status", "running"},
          {"osteon", OSTEON_VERSION},
          {"numeric", describe_libraries()},
          {"blas", {{"kind", environment.blas_kind}, {"openblas_coretype", environment.core_type}}},
          {"instruction_set", environment.instruction_set},
          {"threads", context.threads},
          {"plugins", plugins}};
}

data::LoaderOptions loader_options(const recipe::Recipe& recipe, data::BrokenSamples& broken) {
  data::LoaderOptions options;
  options.size = cv::Size(recipe.data.image_size[1], recipe.data.image_size[0]);
  options.channels = recipe.data.channels;
  options.mean = recipe.data.mean;
  options.std = recipe.data.std;
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

// Data is read only where a post-processor has to be fitted on it.
void fit_kept(const recipe::Recipe& recipe, plugin::Model& model, const run::RunFolder& folder, const Context& context,
              nlohmann::json& info) {
  if (!check_chain(recipe, model, true, context)) return;
  const TrainingData data = training_data(recipe.data);
  check_chain(recipe, model, !data.validation.empty() && data.dataset->has_labels(), context);
  data::BrokenSamples broken(recipe.data.on_broken == "skip" ? data::OnBroken::kSkip : data::OnBroken::kFail);
  info["fitted"] = fit_postprocessors(folder, recipe, *data.dataset, data.validation, context, broken);
}

// train.epochs = 0: a run of the model as it begins.
nlohmann::json keep_model(const TrainRequest& request, const Context& context) {
  const recipe::Recipe& recipe = request.recipe;
  if (request.resume) throw Error(ExitCode::kUsage, "train.epochs is 0; there is nothing to go on with");
  const run::RunFolder folder(request.out);
  const auto model = make_model(recipe, *context.registry, context.threads);
  if (!recipe.model->weights.empty()) load_weights(*model, recipe.model->weights, load_options(*recipe.model));
  folder.write_recipe(recipe);
  const plugin::Call call = call_of(context);
  train::save_weights(folder.model(), train::host_tensors(*model, call));
  nlohmann::json info = describe_run(recipe, *context.registry, context);
  if (!recipe.predict.post.empty()) fit_kept(recipe, *model, folder, context, info);
  info["status"] = "done";
  info["ended"] = utc_now();
  info["result"] = {{"epochs", 0}};
  folder.write_info(info);
  return {{"run", request.out.string()},
          {"summary",
           fmt::format("model '{}' as it begins, {} tensors", model->component().name(), model->tensors(call).size())},
          {"result", info["result"]}};
}

nlohmann::json train_model(const TrainRequest& request, const Context& context) {
  const recipe::Recipe& recipe = request.recipe;
  plugin::Registry& registry = *context.registry;
  const run::RunFolder folder(request.out);
  const plugin::ClassContext classes = class_context(recipe.data);
  auto model = make_model(recipe, registry, context.threads);
  const plugin::Call call = call_of(context);
  expect_trainable(*model, call);
  check_image_size(recipe, *model);
  if (!request.resume && !recipe.model->weights.empty())
    load_weights(*model, recipe.model->weights, load_options(*recipe.model));
  const TrainingData data = training_data(recipe.data);
  const bool validates = !data.validation.empty() && data.dataset->has_labels();
  const bool fits = check_chain(recipe, *model, validates, context);

  std::vector<plugin::LoadedComponent> components = {model->component()};
  for (const recipe::LossTerm& term : recipe.loss)
    components.push_back(registry.load(plugin::Kind::kLoss, term.component.plugin, term.component.version));
  const osteon_device device = choose_device("train.device", recipe.train.device, components);
  move_model(*model, device);

  data::BrokenSamples broken(recipe.data.on_broken == "skip" ? data::OnBroken::kSkip : data::OnBroken::kFail);
  const data::AugmentPipeline augment(recipe.augment, registry, classes);
  data::Loader loader(*data.dataset, data.train, &augment, loader_options(recipe, broken));

  if (!request.resume) {
    folder.write_recipe(recipe);
    folder.write_info(describe_run(recipe, registry, context));
  }
  spdlog::info("{} training and {} validation images, {} tensors in the model", data.train.size(),
               data.validation.size(), model->tensors(call).size());

  train::Setup setup{recipe, registry, classes, *model, loader, folder, device, context.threads, {}};
  if (validates)
    setup.validate = [&](const plugin::Call& validation) {
      return validation_dice(recipe, *model, *data.dataset, data.validation, device, context, broken, validation);
    };

  nlohmann::json info = folder.read_info();
  const auto end = [&](const char* status) {
    info["status"] = status;
    info["ended"] = utc_now();
    info["skipped"] = nlohmann::json::array();
    for (const data::Problem& problem : broken.problems())
      info["skipped"].push_back({{"id", problem.id}, {"where", problem.where}, {"message", problem.message}});
    folder.write_info(info);
  };
  train::Outcome outcome;
  try {
    outcome = train::Trainer(std::move(setup)).run(request.resume);
    if (fits) info["fitted"] = fit_postprocessors(folder, recipe, *data.dataset, data.validation, context, broken);
  } catch (const Interrupted&) {
    end("interrupted");
    throw;
  } catch (const std::exception&) {
    end("failed");
    throw;
  }
  info["result"] = {{"epochs", outcome.epochs},
                    {"loss", outcome.loss},
                    {"seconds", outcome.seconds},
                    {"best_epoch", outcome.best_epoch}};
  if (outcome.best_dice >= 0) info["result"]["validation_dice"] = outcome.best_dice;
  end("done");
  if (broken.count() > 0) spdlog::warn("{}", broken.summary());
  std::string summary =
      fmt::format("{} epochs in {}, loss {:.4f}", outcome.epochs, report::duration_text(outcome.seconds), outcome.loss);
  if (outcome.best_dice >= 0)
    summary += fmt::format(", best validation Dice {:.4f} in epoch {}", outcome.best_dice, outcome.best_epoch);
  return {{"run", request.out.string()}, {"summary", summary}, {"result", info["result"]}};
}

}  // namespace

nlohmann::json run_training(const TrainRequest& request, const Context& context) {
  if (request.resume)
    run::RunFolder(request.out).check_usable();
  else
    prepare_folder(request);
  if (request.recipe.model && request.recipe.train.epochs == 0) return keep_model(request, context);
  if (request.recipe.model) return train_model(request, context);
  return fit_ensemble(request, context, describe_run(request.recipe, *context.registry, context));
}

}  // namespace osteon::engine
