// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>

#include "plugin/registry.hpp"
#include "predict/leaf.hpp"
#include "predict/predictor.hpp"
#include "recipe/recipe.hpp"

namespace osteon::predict {

/// Opens a run folder (an ensemble's member, or what a `predictor` parameter names) as a predictor.
using OpenRun = std::function<std::shared_ptr<const Predictor>(const std::filesystem::path& run)>;

/// Puts a recipe's `[[predict.post]]` around `inner`, the first next to it. Throws Error(kUsage), naming both
/// neighbours and the recipe's place, when one does not give what the next one needs.
std::shared_ptr<const Predictor> build_chain(std::shared_ptr<const Predictor> inner, const recipe::Recipe& recipe,
                                             plugin::Registry& registry, const OpenRun& open_run);

}  // namespace osteon::predict
