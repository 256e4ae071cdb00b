// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "plugin/registry.hpp"
#include "recipe/recipe.hpp"

namespace osteon::engine {

/// Makes the components of a recipe that need no LibTorch, in a process of their own, and types what it predicts with.
/// Throws as recipe::try_components() and predict::check_chains() do. Of the host: not after the engine was loaded,
/// which starts threads.
void check_components(const recipe::Recipe& recipe, plugin::Registry& registry);

}  // namespace osteon::engine
