// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>

#include "plugin/registry.hpp"
#include "predict/chain_type.hpp"
#include "recipe/recipe.hpp"
#include "recipe/trial.hpp"

namespace osteon::predict {

/// Types what a recipe predicts with before anything is made: its post-processors, its ensembler, and the members and
/// the runs that `predictor` parameters name, each with a chain of its own, of which recipe.toml is read. Throws
/// RecipeErrors with all that does not fit, each in its place. A component that does not say what it needs and gives,
/// and is not in `made`, is taken for one that fits.
/// @param made  of components of this recipe, what try_components() learnt of them
void check_chains(const recipe::Recipe& recipe, const plugin::Registry& registry, const recipe::MadeTypes& made = {});

/// Another order of a recipe's post-processors in which each fits what lies beneath it, found by moving the one of
/// number `moved`: "in the order 'tta', 'components' they fit". Empty where there is none, or where that is not known.
/// @param bottom  what lies beneath them all
std::string other_order(const recipe::Recipe& recipe, const plugin::Registry& registry, const Gives& bottom,
                        std::size_t moved, const recipe::MadeTypes& made = {});

}  // namespace osteon::predict
