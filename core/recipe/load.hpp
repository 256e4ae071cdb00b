// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "plugin/schema.hpp"
#include "recipe/problems.hpp"
#include "recipe/recipe.hpp"

namespace osteon::recipe {

struct LoadOptions {
  std::vector<std::string> overrides;            ///< `key.path=value`, applied in order after all files
  std::vector<plugin::ComponentSchema> schemas;  ///< of every plugin there is
};

/// One value of a resolved recipe and where it came from.
struct Origin {
  std::string key;    ///< "train.optimizer.lr", "augment[0].limit"
  std::string value;  ///< as TOML
  std::string from;   ///< "file:line:column", "--set ...", "default", "default of rotate"
};

struct LoadedRecipe {
  Recipe recipe;
  std::vector<Origin> origins;        ///< of every value, in the recipe's order
  std::vector<std::string> warnings;  ///< deprecated names, as "file:line:column: ..."
};

/// Reads, merges, resolves and checks a recipe. Throws RecipeErrors with everything that is wrong with it.
///
/// Nothing is created and no plugin is loaded; a recipe that passes can still be refused by a plugin whose parameters
/// do not go together.
LoadedRecipe load_recipe(const std::filesystem::path& path, const LoadOptions& options);

}  // namespace osteon::recipe
