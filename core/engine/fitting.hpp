// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include <nlohmann/json.hpp>

#include "data/dataset.hpp"
#include "data/dataset_check.hpp"
#include "engine/engine.hpp"
#include "engine/opener.hpp"
#include "plugin/model.hpp"
#include "recipe/recipe.hpp"
#include "run/run_folder.hpp"

namespace osteon::engine {

/// Makes the post-processors of a recipe over a model as it is, so that a chain that cannot be is refused before
/// anything is trained. Whether one of them has to be fitted; then there must be labelled images to validate on, or
/// Error(kUsage) is thrown.
bool check_chain(const recipe::Recipe& recipe, plugin::Model& model, bool validates, const Context& context);

/// Fits the post-processors of a trained run that have to be, on labelled images that it was not trained on: from the
/// innermost outwards, each on what lies beneath it. Saves their state in the run. Returns what run.json says of it.
nlohmann::json fit_postprocessors(const run::RunFolder& folder, const recipe::Recipe& recipe,
                                  const data::Dataset& dataset, const std::vector<int>& indices, const Context& context,
                                  data::BrokenSamples& broken);

/// `osteon train` of an [ensemble] recipe, opened as `run` by `opener`, in a run folder that has begun: its ensembler
/// and post-processors are fitted where they have to be, and `info` says so. An ensembler is fitted on every image of
/// the data that some member was not trained on, and those that were have nothing to say of it; a post-processor on
/// those that no member was trained on.
nlohmann::json fit_ensemble(const TrainRequest& request, const OpenedRun& run, const Opener& opener,
                            const Context& context, nlohmann::json& info);

}  // namespace osteon::engine
