// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/engine.hpp"
#include "engine/opener.hpp"
#include "plugin/model.hpp"
#include "recipe/recipe.hpp"

// What a verb is about to use, tried on a made-up image before the first step or file, so that what does not go
// together is found while nothing was started. It is of the smallest size; what fails at that is tried once more at the
// size of the recipe, whose failure counts. Nothing is left behind: no state of a model or of a random generator,
// nothing in a cache. Throws what the components throw: Error(kUsage) or Error(kPlugin), which name them.
namespace osteon::engine {

/// Training: augmentations; forward, losses and backward; the chain up to what has to be fitted, and the decision. On a
/// model of its own, which is like the recipe's.
void try_training(const recipe::Recipe& recipe, osteon_device device, const Context& context);

/// Prediction by a model, whose parameters do not change, through the recipe's chain up to what has to be fitted.
void try_chain(const recipe::Recipe& recipe, plugin::Model& model, osteon_device device, const Context& context);

/// Prediction by a run that was opened, or what of it does not have to be fitted first.
void try_prediction(const recipe::Recipe& recipe, const OpenedRun& run, const Context& context);

}  // namespace osteon::engine
