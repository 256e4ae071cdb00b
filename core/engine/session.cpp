// SPDX-License-Identifier: Apache-2.0
#include "engine/session.hpp"

#include <numeric>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "base/error.hpp"
#include "data/folds.hpp"
#include "plugin/interrupt.hpp"
#include "recipe/located.hpp"
#include "weights/weights_file.hpp"

namespace osteon::engine {
namespace {

data::Absent absent_by_name(const std::string& name) {
  if (name == "empty") return data::Absent::kEmpty;
  return name == "unknown" ? data::Absent::kUnknown : data::Absent::kError;
}

/// `weights`: of images, which only training looks at; a recipe's are of its own training images.
std::unique_ptr<data::Dataset> open(const recipe::DataSection& section, const std::string& subset,
                                    const std::filesystem::path& weights = {}) {
  data::DatasetOptions options = dataset_options(section);
  options.subset = subset;
  options.weights = weights;
  auto dataset = data::open_dataset(section.layout, section.root, std::move(options));
  for (const data::Problem& problem : dataset->left_out())
    spdlog::warn("left out: {} ({}): {}", problem.id, problem.where, problem.message);
  return dataset;
}

data::Split split(const recipe::DataSection& section, const data::Dataset& dataset) {
  std::vector<std::string> groups;
  for (const data::Sample& sample : dataset.samples()) groups.push_back(sample.group);
  return data::split_fold(data::assign_folds(groups, section.folds, section.seed), section.fold);
}

}  // namespace

plugin::Call call_of(const Context& context) {
  plugin::CallOptions options;
  options.threads = context.threads;
  options.cancel = &plugin::interrupted();
  return plugin::Call(std::move(options));
}

data::ClassSet class_set(const recipe::DataSection& data) {
  data::ClassSet classes;
  classes.kind = data.kind == "multiclass" ? data::LabelKind::kMulticlass : data::LabelKind::kMultilabel;
  classes.names = data.classes;
  classes.mirrored = data.mirrored;
  return classes;
}

data::DatasetOptions dataset_options(const recipe::DataSection& section) {
  data::DatasetOptions options;
  options.classes = class_set(section);
  options.ignore_index = section.ignore_index;
  options.on_broken = section.on_broken == "skip" ? data::OnBroken::kSkip : data::OnBroken::kFail;
  options.absent = absent_by_name(section.absent);
  return options;
}

Selection select_images(const recipe::DataSection& section, Subset subset) {
  Selection selection;
  selection.dataset = open(section, subset == Subset::kTest ? "test" : "train");
  if (subset == Subset::kTest || subset == Subset::kAll) {
    selection.indices.resize(selection.dataset->samples().size());
    std::iota(selection.indices.begin(), selection.indices.end(), 0);
  } else {
    data::Split parts = split(section, *selection.dataset);
    selection.indices = subset == Subset::kTrain ? std::move(parts.train) : std::move(parts.validation);
  }
  return selection;
}

void say_other_classes(const data::Dataset& dataset) {
  if (const std::string others = dataset.tally().others(); !others.empty())
    spdlog::info("left out are classes that data.classes does not name: {}", others);
  for (const std::string& name : dataset.tally().unseen(dataset.classes().names))
    spdlog::warn("class '{}' is in none of the annotations that were read", name);
}

TrainingData training_data(const recipe::DataSection& section) {
  TrainingData data;
  data.dataset = open(section, "train", section.weights);
  data::Split parts = split(section, *data.dataset);
  data.train = std::move(parts.train);
  data.validation = std::move(parts.validation);
  return data;
}

std::unique_ptr<plugin::Model> make_model(const recipe::Recipe& recipe, plugin::Registry& registry, int threads) {
  if (!recipe.model) throw Error(ExitCode::kUsage, "the recipe has no [model]");
  plugin::CallOptions options;
  options.threads = threads;
  const plugin::Call call(std::move(options));
  const recipe::Component& component = recipe.model->component;
  return recipe::located(component, [&] {
    return std::make_unique<plugin::Model>(registry.load(plugin::Kind::kModel, component.plugin, component.version),
                                           component.parameters, class_context(recipe.data), recipe.data.channels,
                                           static_cast<std::uint64_t>(recipe.train.seed), call);
  });
}

WeightsOptions load_options(const recipe::ModelSection& model) {
  return {{model.strict, weights::stem_by_name(model.stem)}, model.weights_key};
}

void load_weights(plugin::Model& model, const std::filesystem::path& file, const WeightsOptions& options) {
  const weights::WeightsFile tensors(file, options.key);
  tensors.verify();
  if (options.key.empty() && !tensors.other_keys().empty())
    spdlog::info("{}: the weights are those of '{}'; model.weights_key or --key takes those of {}", file.string(),
                 tensors.key(), fmt::join(tensors.other_keys(), ", "));
  const plugin::Call call;
  const weights::ModelWeights places = weights::weights_of(model, call);
  const weights::LoadReport report = weights::load_into(tensors.tensors(), places, options.load, file.string());
  model.parameters_changed();
  if (const std::string text = report.text(); !text.empty())
    spdlog::log(report.complete() ? spdlog::level::info : spdlog::level::warn,
                "{}: {} of the model's {} tensors loaded\n{}", file.string(), report.loaded.size(),
                places.tensors.size(), text);
}

}  // namespace osteon::engine
