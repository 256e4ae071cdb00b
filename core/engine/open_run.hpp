// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>

#include "engine/engine.hpp"
#include "engine/opener.hpp"
#include "recipe/recipe.hpp"

namespace osteon::engine {

/// Opens a run folder with this recipe (its own, or its own with overrides) to predict with; see Opener. Its models
/// have been opened one after the other; with `predict.memory_mb` some of them have been given up again.
OpenedRun open_run(const std::filesystem::path& run, const recipe::Recipe& recipe, const Context& context,
                   bool same_libraries = false);

}  // namespace osteon::engine
