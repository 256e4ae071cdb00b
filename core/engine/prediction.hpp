// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <vector>

#include <nlohmann/json.hpp>

#include "data/check.hpp"
#include "data/dataset.hpp"
#include "engine/engine.hpp"
#include "plugin/model.hpp"
#include "predict/predictor.hpp"
#include "recipe/recipe.hpp"

namespace osteon::engine {

/// A run, opened for prediction.
struct OpenedRun {
  std::shared_ptr<const predict::Predictor> predictor;
  std::shared_ptr<plugin::Model> model;  ///< null for an ensemble
};

/// Opens a run folder with this recipe (its own, or its own with overrides): loads weights, builds the chain, opens an
/// ensemble's members. Ensembles of ensembles are fine; a run that contains itself is refused.
OpenedRun open_run(const std::filesystem::path& run, const recipe::Recipe& recipe, const Context& context);

/// Mean Dice on some labelled images with a model as it is and where it is, through the reference path, post-processors
/// included.
double validation_dice(const recipe::Recipe& recipe, plugin::Model& model, const data::Dataset& dataset,
                       const std::vector<int>& indices, osteon_device device, const Context& context,
                       data::BrokenSamples& broken);

/// `osteon predict`: files in, masks out.
nlohmann::json run_prediction(const PredictRequest& request, const Context& context);

/// `osteon train` of an [ensemble] recipe: a run folder whose members are checked, and whose ensembler is fitted where
/// it fits.
nlohmann::json fit_ensemble(const TrainRequest& request, const Context& context, nlohmann::json info);

}  // namespace osteon::engine
