// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "engine/engine.hpp"
#include "predict/model_store.hpp"
#include "recipe/recipe.hpp"
#include "run/run_folder.hpp"

namespace osteon::engine {

/// A run's model, as the store of models takes it.
struct RunModel {
  std::string plugin;
  osteon_device device;
  predict::ModelKey key;
  predict::OpenModel open;  ///< keeps what it needs of the recipe; the registry outlives it
};

/// The model of a run that is no ensemble. Its library is loaded, its device chosen, and its file of weights is looked
/// at: that it is there and has a header that can be read. Whether the weights fit the model shows when it is opened.
/// Throws Error(kData) where the file is not, or is broken, and Error(kUsage) as choose_device() does.
/// @param device  of `predict.device`
RunModel run_model(const run::RunFolder& folder, const recipe::Recipe& recipe, const std::string& device,
                   const Context& context);

}  // namespace osteon::engine
