// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>

#include "plugin/registry.hpp"
#include "recipe/recipe.hpp"

namespace osteon::recipe {

/// What components need and give, by where they stand in a recipe: "predict.post[0]", "ensemble".
using MadeTypes = std::map<std::string, plugin::ComponentType>;

/// Makes the augmentations, losses, post-processors and the ensembler of a recipe once, for parameters that are right
/// one by one and do not go together, or do not suit the data's classes: only their constructors know. In a copy of
/// this process, which has one thread alone, so that nothing is loaded here and a crash is named.
///
/// Left for the run to find: models, whatever needs LibTorch (which takes longer to load than all the rest), and what
/// is made of another run.
///
/// Gives what the post-processors and the ensembler that it made say of themselves. Throws RecipeErrors with everything
/// that is refused, Error(kPlugin) that names the component where one fails.
MadeTypes try_components(const Recipe& recipe, plugin::Registry& registry);

}  // namespace osteon::recipe
