// SPDX-License-Identifier: Apache-2.0
#include "recipe/load.hpp"

#include <filesystem>

#include "base/file.hpp"
#include "plugin/allow_list.hpp"
#include "recipe/document.hpp"
#include "recipe/resolver.hpp"

namespace osteon::recipe {

LoadedRecipe load_recipe(const std::filesystem::path& path, const LoadOptions& options) {
  Problems problems;
  if (!is_file(path)) {
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

std::optional<std::set<std::string>> allowed_libraries(const std::filesystem::path& path,
                                                       const std::vector<std::string>& overrides) {
  Problems left_to_load_recipe;
  if (!is_file(path)) return std::nullopt;
  Node root = load_with_extends(path, left_to_load_recipe);
  for (const std::string& text : overrides) apply_override(root, text, left_to_load_recipe);
  const Node* plugins = root.find("plugins");
  const Node* allow = plugins != nullptr ? plugins->find("allow") : nullptr;
  if (allow == nullptr || !allow->is_array() || allow->array().empty()) return std::nullopt;
  std::set<std::string> digests;
  for (const Node& each : allow->array())
    if (const auto* text = each.as<std::string>())
      if (const auto digest = plugin::digest_from(*text)) digests.insert(*digest);
  return digests;
}

}  // namespace osteon::recipe
