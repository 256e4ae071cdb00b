// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include <nlohmann/json.hpp>

#include "data/check.hpp"
#include "data/dataset.hpp"
#include "engine/engine.hpp"
#include "engine/opener.hpp"
#include "plugin/model.hpp"
#include "recipe/recipe.hpp"

namespace osteon::engine {

/// Opens a run folder with this recipe (its own, or its own with overrides) to predict with; see Opener.
OpenedRun open_run(const std::filesystem::path& run, const recipe::Recipe& recipe, const Context& context,
                   bool same_libraries = false);

/// Mean Dice on some labelled images with a model as it is and where it is, through the reference path, with the
/// post-processors beneath the first that has to be fitted. Each image has a call of its own beneath `call`, which is
/// of the CPU.
double validation_dice(const recipe::Recipe& recipe, plugin::Model& model, const data::Dataset& dataset,
                       const std::vector<int>& indices, osteon_device device, const Context& context,
                       data::BrokenSamples& broken, const plugin::Call& call);

/// `osteon predict`: files in, masks out. A file that cannot be read or predicted is named, and the others are
/// predicted; `failed` counts them.
nlohmann::json run_prediction(const PredictRequest& request, const Context& context);

}  // namespace osteon::engine
