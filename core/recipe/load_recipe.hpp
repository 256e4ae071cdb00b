// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "plugin/schema.hpp"
#include "recipe/problems.hpp"
#include "recipe/recipe.hpp"

namespace osteon::recipe {

/// A library file none of whose plugins is there.
struct RefusedLibrary {
  std::filesystem::path file;
  std::string reason;
  std::vector<std::string> plugins = {};  ///< that it says it holds
};

struct LoadOptions {
  std::vector<std::string> overrides;            ///< `key.path=value`, applied in order after all files
  std::vector<plugin::ComponentSchema> schemas;  ///< of every plugin there is
  std::vector<RefusedLibrary> refused = {};      ///< where a plugin that is missing may be
  std::filesystem::path post = {};               ///< a recipe whose post-processing is used, see below; empty: none
};

struct LoadedRecipe {
  Recipe recipe;
  std::vector<std::string> warnings;  ///< what may not be meant so, as "file:line:column: ..."
};

/// Reads, merges, resolves and checks a recipe. Throws RecipeErrors with everything that is wrong with it.
///
/// Nothing is created and no plugin is loaded; a recipe that passes can still be refused by a plugin whose parameters
/// do not go together (try_components()).
///
/// Of `options.post`, post, threshold and thresholds of [predict] stand in for the recipe's own, also where they are
/// not there: then there are no post-processors, and thresholds are the defaults. At least one of the three is there.
/// The rest of that file counts for nothing.
LoadedRecipe load_recipe(const std::filesystem::path& path, const LoadOptions& options);

/// A post-processor that is to be run by itself.
struct PostAlone {
  std::string plugin;
  std::filesystem::path recipe;      ///< gives the classes, their kind and thresholds; empty: none does
  std::vector<std::string> classes;  ///< where no recipe is given; they may overlap, and their thresholds are 0.5
};

/// A recipe whose one `[[predict.post]]` is that post-processor, with `options.overrides` for its parameters
/// ("min_area=40", `classes` too). Without a recipe it has neither data nor a model. Throws RecipeErrors.
LoadedRecipe load_post(const PostAlone& post, const LoadOptions& options);

/// A recipe's values as TOML without `extends`: what a run folder keeps. Reads back to the same recipe.
std::string resolved_toml(const std::vector<Origin>& origins);

/// The SHA-256 that a recipe's `[plugins] allow` lists; nullopt when it lists none. For whoever looks for plugins
/// before the recipe can be checked against them, so that no code of another library is run on its behalf. What is
/// wrong with the recipe is left for load_recipe() to say.
std::optional<std::set<std::string>> allowed_libraries(const std::filesystem::path& path,
                                                       const std::vector<std::string>& overrides);

}  // namespace osteon::recipe
