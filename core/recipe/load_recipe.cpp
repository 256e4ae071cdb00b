// SPDX-License-Identifier: Apache-2.0
#include "recipe/load_recipe.hpp"

#include <filesystem>

#include "base/file.hpp"
#include "plugin/allow_list.hpp"
#include "recipe/document.hpp"
#include "recipe/resolver.hpp"

namespace osteon::recipe {

namespace {

Node read_root(const std::filesystem::path& path, Problems& problems) {
  if (!is_file(path)) {
    problems.add({path.string(), 0, 0}, "", "there is no such recipe");
    problems.throw_if_any();
  }
  Node root = load_with_extends(path, problems);
  if (problems.unreadable()) problems.throw_if_any();
  return root;
}

Node table_at(const Location& location) {
  Node node;
  node.value = Node::Table{};
  node.location = node.key_location = location;
  node.folder = std::filesystem::current_path().string();
  return node;
}

/// See LoadOptions::post.
void take_post(Node& root, const std::filesystem::path& path, Problems& problems) {
  if (!is_file(path)) {
    problems.add({path.string(), 0, 0}, "", "there is no such file of post-processing",
                 "--post takes a recipe with a [predict]");
    problems.throw_if_any();
  }
  const Node other = load_with_extends(path, problems);
  if (problems.unreadable()) problems.throw_if_any();
  const Node* theirs = other.find("predict");
  Node& own = root.table().try_emplace("predict", table_at({path.string(), 0, 0})).first->second;
  if (theirs != nullptr && !theirs->is_table()) {
    own = *theirs;  // for the resolver to refuse in its place
    return;
  }
  if (!own.is_table()) return;
  bool any = false;
  for (const char* key : {"post", "threshold", "thresholds"}) {
    own.table().erase(key);
    if (const Node* node = theirs != nullptr ? theirs->find(key) : nullptr) {
      own.table()[key] = *node;
      any = true;
    }
  }
  if (!any)
    problems.add({path.string(), 0, 0}, "predict", "this file says nothing of post-processing",
                 "give it [[predict.post]], or `threshold` or `thresholds` in [predict]");
}

}  // namespace

LoadedRecipe load_recipe(const std::filesystem::path& path, const LoadOptions& options) {
  Problems problems;
  Node root = read_root(path, problems);
  if (!options.post.empty()) take_post(root, options.post, problems);
  for (const std::string& text : options.overrides) apply_override(root, text, problems);
  LoadedRecipe loaded = Resolver(root, options, problems).resolve();
  problems.throw_if_any();
  return loaded;
}

LoadedRecipe load_post(const PostAlone& post, const LoadOptions& options) {
  Problems problems;
  const Location location{"the command line", 0, 0};
  Node root = post.recipe.empty() ? table_at(location) : read_root(post.recipe, problems);
  Node component = table_at(location);
  component.table()["plugin"] = component;
  component.table()["plugin"].value = post.plugin;
  for (const std::string& text : options.overrides) apply_override(component, text, problems);
  Node posts = component;
  posts.value = Node::Array{component};
  if (root.find("predict") == nullptr) root.table()["predict"] = table_at(location);
  Node& predict = root.table()["predict"];
  if (predict.is_table()) predict.table()["post"] = posts;
  Resolver resolver(root, options, problems);
  LoadedRecipe loaded = post.recipe.empty() ? resolver.resolve_post(post.classes) : resolver.resolve();
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
