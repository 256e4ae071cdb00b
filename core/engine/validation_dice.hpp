// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "data/dataset.hpp"
#include "data/dataset_check.hpp"
#include "engine/engine.hpp"
#include "plugin/call.hpp"
#include "plugin/model.hpp"
#include "recipe/recipe.hpp"

namespace osteon::engine {

/// Mean Dice on some labelled images with a model as it is and where it is, through the reference path; with
/// train.validate_with = "chain" with the post-processors beneath the first that has to be fitted. Each image has a
/// call of its own beneath `call`, which is of the CPU.
double validation_dice(const recipe::Recipe& recipe, plugin::Model& model, const data::Dataset& dataset,
                       const std::vector<int>& indices, osteon_device device, const Context& context,
                       data::BrokenSamples& broken, const plugin::Call& call);

}  // namespace osteon::engine
