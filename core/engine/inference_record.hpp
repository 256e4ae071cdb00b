// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>

#include "engine/engine.hpp"
#include "engine/opener.hpp"
#include "recipe/recipe.hpp"

namespace osteon::engine {

/// How models ran, so that their predictions can be repeated: {"path", "threads", "instruction_set", "models": [{"who",
/// "plan": [...]}]}. A plan has a line for each shape of input, of how the model chose to run and from what figures; it
/// is empty where predict.path is "plain", and of a model that does not say; null of one that was given up for
/// predict.memory_mb before the end.
nlohmann::json inference_record(const recipe::Recipe& recipe, const OpenedRun& run, const Context& context);

}  // namespace osteon::engine
