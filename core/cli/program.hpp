// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "engine/engine.hpp"
#include "plugin/registry.hpp"
#include "recipe/load_recipe.hpp"

namespace osteon::cli {

/// What the verbs share: the flags that every verb has, the registry and the engine, made when first needed.
class Program {
 public:
  bool json = false;                      ///< --json
  std::vector<std::string> overrides;     ///< --set
  std::string post_file;                  ///< --post
  std::vector<std::string> plugin_paths;  ///< --plugin-path
  bool rescan = false;                    ///< --rescan
  bool shows_warnings = true;             ///< of the registry, on stderr; false: the verb shows them itself
  std::function<ExitCode()> action;       ///< of the verb that was named

  /// Adds --json, --plugin-path and, for verbs that read a recipe, --set.
  void add_common_flags(CLI::App& verb, bool takes_recipe);
  /// Adds --post, for verbs that predict with a run.
  void add_post_flag(CLI::App& verb);

  /// The plugins there are. Where a recipe restricts them, load_recipe() comes first.
  plugin::Registry& registry();
  /// Kernels are tested when it is made, by whoever asks first.
  engine::Engine& engine(engine::KernelTest kernels = engine::KernelTest::kWhereUnknown);

  /// The recipe, resolved against the plugins. Warnings go to stderr. Throws recipe::RecipeErrors with all of its
  /// problems.
  recipe::LoadedRecipe load_recipe(const std::filesystem::path& path,
                                   const std::vector<std::string>& more_overrides = {});
  /// Makes the components of a recipe that need no LibTorch, in a process of their own, and types what it predicts
  /// with. Throws as recipe::try_components() and predict::check_chains() do. Not after engine(), which starts threads.
  void check_components(const recipe::Recipe& recipe);
  /// As load_recipe(), of one post-processor by itself; `parameters` as "key=value".
  recipe::LoadedRecipe load_post(const recipe::PostAlone& post, const std::vector<std::string>& parameters);
  recipe::LoadOptions load_options(const std::vector<std::string>& more_overrides = {});

  /// One JSON document on stdout, as write_result() does.
  void print_json(const nlohmann::ordered_json& document) const;
  void print_json(const nlohmann::json& document) const;

 private:
  /// Where plugins were not looked for yet, looks for those that the recipe allows.
  void find_plugins_for(const std::filesystem::path& recipe, const std::vector<std::string>& all_overrides);
  void find_plugins(std::vector<plugin::AllowList> allow);

  std::unique_ptr<plugin::Registry> registry_;
  std::unique_ptr<engine::Engine> engine_;
};

/// This program's executable. Throws Error(kResources) where /proc is not mounted.
std::filesystem::path program_file();

}  // namespace osteon::cli
