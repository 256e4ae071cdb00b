// SPDX-License-Identifier: Apache-2.0
#include "engine/component_check.hpp"

#include "predict/chain_check.hpp"
#include "recipe/trial.hpp"

namespace osteon::engine {

void check_components(const recipe::Recipe& recipe, plugin::Registry& registry) {
  predict::check_chains(recipe, registry, recipe::try_components(recipe, registry));
}

}  // namespace osteon::engine
