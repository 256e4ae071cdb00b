// SPDX-License-Identifier: Apache-2.0
#include "cli/program.hpp"

#include <system_error>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "base/json.hpp"
#include "cli/output.hpp"
#include "engine/component_check.hpp"

namespace osteon::cli {
namespace fs = std::filesystem;

fs::path program_file() {
  std::error_code failure;
  fs::path file = fs::read_symlink("/proc/self/exe", failure);
  if (failure)
    throw Error(ExitCode::kResources,
                "the system does not say where this program lies (" + failure.message() +
                    "): /proc has to be mounted, for plugins are found and loaded by its help",
                "/proc/self/exe");
  return file;
}

void Program::add_common_flags(CLI::App& verb, bool takes_recipe) {
  verb.add_flag("--json", json, "One JSON document on stdout, and nothing else there");
  verb.add_option("--plugin-path", plugin_paths, "Another folder of plugins (repeatable; also OSTEON_PLUGIN_PATH)")
      ->type_name("DIR")
      ->allow_extra_args(false);
  if (takes_recipe)
    verb.add_option("--set", overrides, "Override a recipe key, as in train.epochs=5 or augment[0].p=0.3 (repeatable)")
        ->type_name("KEY=VALUE")
        ->allow_extra_args(false);
}

void Program::add_post_flag(CLI::App& verb) {
  verb.add_option(
          "--post", post_file,
          "Post-processors and thresholds of [predict] in this recipe instead of the run's; --set comes after it")
      ->type_name("FILE");
}

void Program::find_plugins(std::vector<plugin::AllowList> allow) {
  plugin::RegistryOptions options;
  options.folders.push_back((program_file().parent_path() / OSTEON_PLUGIN_FOLDER).lexically_normal());
  for (const std::string& folder : plugin_paths) options.folders.emplace_back(folder);
  options.allow = std::move(allow);
  options.rescan = rescan;
  options.scanner = program_file();
  registry_ = std::make_unique<plugin::Registry>(std::move(options));
  for (const std::string& warning : registry_->warnings())
    if (shows_warnings) spdlog::warn("{}", warning);
}

plugin::Registry& Program::registry() {
  if (!registry_) find_plugins({});
  return *registry_;
}

engine::Engine& Program::engine(engine::KernelTest kernels) {
  if (!engine_) {
    plugin::Registry& plugins = registry();
    claim_standard_output();
    engine_ = engine::load({&plugins, 0}, {kernels, program_file()});
  }
  return *engine_;
}

recipe::LoadOptions Program::load_options(const std::vector<std::string>& more_overrides) {
  recipe::LoadOptions options;
  options.overrides = overrides;
  options.post = post_file;
  options.overrides.insert(options.overrides.end(), more_overrides.begin(), more_overrides.end());
  options.schemas = registry().schemas();
  for (const plugin::Listing& listing : registry().listings())
    if (listing.kind.empty()) options.refused.push_back({listing.path, listing.reason, listing.claimed});
  return options;
}

void Program::find_plugins_for(const fs::path& recipe, const std::vector<std::string>& all_overrides) {
  if (registry_) return;
  std::vector<plugin::AllowList> allow;
  if (auto digests = recipe::allowed_libraries(recipe, all_overrides))
    allow.emplace_back("the recipe " + recipe.string(), std::move(*digests));
  find_plugins(std::move(allow));
}

recipe::LoadedRecipe Program::load_recipe(const fs::path& path, const std::vector<std::string>& more_overrides) {
  std::vector<std::string> all_overrides = overrides;
  all_overrides.insert(all_overrides.end(), more_overrides.begin(), more_overrides.end());
  find_plugins_for(path, all_overrides);
  recipe::LoadedRecipe loaded = recipe::load_recipe(path, load_options(more_overrides));
  for (const auto& warning : loaded.warnings) spdlog::warn("{}", warning);
  return loaded;
}

void Program::check_components(const recipe::Recipe& recipe) { engine::check_components(recipe, registry()); }

recipe::LoadedRecipe Program::load_post(const recipe::PostAlone& post, const std::vector<std::string>& parameters) {
  if (!post.recipe.empty()) find_plugins_for(post.recipe, {});
  recipe::LoadedRecipe loaded = recipe::load_post(post, load_options(parameters));
  for (const auto& warning : loaded.warnings) spdlog::warn("{}", warning);
  return loaded;
}

void Program::print_json(const nlohmann::ordered_json& document) const { write_result(json_text(document, 2) + "\n"); }

void Program::print_json(const nlohmann::json& document) const { write_result(json_text(document, 2) + "\n"); }

}  // namespace osteon::cli
