// SPDX-License-Identifier: Apache-2.0
#include "recipe/load.hpp"

#include <filesystem>

#include "recipe/document.hpp"
#include "recipe/resolver.hpp"

namespace osteon::recipe {

LoadedRecipe load_recipe(const std::filesystem::path& path, const LoadOptions& options) {
  Problems problems;
  if (!std::filesystem::is_regular_file(path)) {
    problems.add({path.string(), 0, 0}, "", "there is no such recipe");
    problems.throw_if_any();
  }
  Node root = load_with_extends(path, problems);
  if (problems.unreadable()) problems.throw_if_any();
  for (const std::string& text : options.overrides) apply_override(root, text, problems);
  LoadedRecipe loaded = Resolver(root, options, problems).resolve();
  problems.throw_if_any();
  return loaded;
}

}  // namespace osteon::recipe
