// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "data/dataset.hpp"
#include "engine/engine.hpp"
#include "plugin/call.hpp"
#include "plugin/component.hpp"
#include "plugin/model.hpp"
#include "recipe/class_context.hpp"
#include "recipe/recipe.hpp"
#include "weights/load_weights.hpp"

namespace osteon::engine {

/// A verb's call: its threads, ended by an interrupt.
plugin::Call call_of(const Context& context);

/// The classes of a recipe as the data room knows them.
data::ClassSet class_set(const recipe::DataSection& data);
/// How its data set is read; of no subset yet, and without weights of images.
data::DatasetOptions dataset_options(const recipe::DataSection& data);

/// Which images of a data set a verb works on. The data set is open; indices are into its samples.
struct Selection {
  std::unique_ptr<data::Dataset> dataset;
  std::vector<int> indices;
};

/// The images of a subset: the folds of "train", or "test" as it lies on disk. What was left out is said on stderr.
/// Throws Error(kData) when nothing is left.
Selection select_images(const recipe::DataSection& data, Subset subset);

/// Says on stderr which classes of what was read were left out, because the recipe does not name them, and which of the
/// recipe's no annotation names.
void say_other_classes(const data::Dataset& dataset);

/// Training and validation images of a recipe's fold.
struct TrainingData {
  std::unique_ptr<data::Dataset> dataset;
  std::vector<int> train;
  std::vector<int> validation;
};
TrainingData training_data(const recipe::DataSection& data);

/// The recipe's model, initialised. Weights are not loaded.
std::unique_ptr<plugin::Model> make_model(const recipe::Recipe& recipe, plugin::Registry& registry, int threads);

/// How a file of weights is loaded into a model.
struct WeightsOptions {
  weights::LoadOptions load;
  std::string key;  ///< which state dict, see weights::WeightsFile
};
/// How `[model]` wants it.
WeightsOptions load_options(const recipe::ModelSection& model);

/// Loads a weights file into a model. How names were read, and what was missing, unexpected, misshapen or adapted, is
/// said on stderr; throws Error(kData) as weights::WeightsFile and weights::load_into do.
void load_weights(plugin::Model& model, const std::filesystem::path& file, const WeightsOptions& options);

}  // namespace osteon::engine
