// SPDX-License-Identifier: Apache-2.0
// `osteon recipe check`, `osteon recipe show` and `osteon recipe schema`.
#include <algorithm>
#include <memory>

#include <fmt/format.h>

#include "cli/verbs.hpp"
#include "plugin/postprocessor.hpp"
#include "recipe/schema_export.hpp"

namespace osteon::cli {
namespace {

ExitCode check(Program& program, const std::string& path, bool strict) {
  const recipe::LoadedRecipe loaded = program.load_recipe(path);
  program.check_components(loaded.recipe);
  const bool holds = !strict || loaded.warnings.empty();
  if (program.json)
    program.print_json(
        nlohmann::json{{"ok", holds}, {"errors", nlohmann::json::array()}, {"warnings", loaded.warnings}});
  else
    print_result("{}: {}\n", path, holds ? "ok" : "has warnings");
  return holds ? ExitCode::kDone : ExitCode::kCheckFailed;
}

bool names_a_predictor(const plugin::LoadedComponent& component, const plugin::Parameters& parameters) {
  for (std::size_t i = 0; i < parameters.size(); ++i)
    if (component.schema.parameters[i].type == plugin::ParameterType::kPredictor) return true;
  return false;
}

/// What it costs that a post-processor acts on some classes alone. Only an instance of it can tell.
std::string cost_of_other_classes(plugin::Registry& registry, const recipe::Component& post) {
  const plugin::LoadedComponent component = registry.load(post.kind, post.plugin, post.version);
  if (names_a_predictor(component, post.parameters))
    return "what the other classes cost is known when the run is opened";
  plugin::ClassContext classes;
  classes.names = post.classes;
  const plugin::Postprocessor made(component, post.parameters, classes, plugin::Call());
  return made.info().shape == OSTEON_POSTPROCESSOR_MAP
             ? "the other classes come along in its one call of what lies beneath"
             : "the other classes cost one more call of what lies beneath";
}

/// Adds to the origin of each `classes` of a post-processor what they cost.
void add_costs(Program& program, recipe::Recipe& recipe) {
  const auto& posts = recipe.predict.post;
  if (std::all_of(posts.begin(), posts.end(), [](const recipe::Component& post) { return post.classes.empty(); }))
    return;
  claim_standard_output();
  for (std::size_t i = 0; i < recipe.predict.post.size(); ++i) {
    const recipe::Component& post = recipe.predict.post[i];
    if (post.classes.empty()) continue;
    const std::string key = fmt::format("predict.post[{}].classes", i);
    for (recipe::Origin& origin : recipe.origins)
      if (origin.key == key) origin.from += "; " + cost_of_other_classes(program.registry(), post);
  }
}

ExitCode show(Program& program, const std::string& path) {
  recipe::LoadedRecipe loaded = program.load_recipe(path);
  add_costs(program, loaded.recipe);
  if (program.json) {
    nlohmann::json rows = nlohmann::json::array();
    for (const recipe::Origin& origin : loaded.recipe.origins)
      rows.push_back({{"key", origin.key}, {"value", origin.value}, {"origin", origin.from}});
    program.print_json(rows);
    return ExitCode::kDone;
  }
  std::size_t width = 0;
  for (const recipe::Origin& origin : loaded.recipe.origins) {
    const std::size_t length = origin.key.size() + origin.value.size() + 3;
    if (length <= 60) width = std::max(width, length);
  }
  for (const recipe::Origin& origin : loaded.recipe.origins)
    print_result("{:<{}}  # {}\n", origin.key + " = " + origin.value, width, origin.from);
  return ExitCode::kDone;
}

}  // namespace

void add_recipe_verb(CLI::App& app, Program& program) {
  CLI::App* verb = app.add_subcommand("recipe", "Look at a recipe without running it");
  verb->require_subcommand(1);
  auto path = std::make_shared<std::string>();

  CLI::App* check_verb =
      verb->add_subcommand("check", "Everything that is wrong with a recipe, with file, line and column");
  program.add_common_flags(*check_verb, true);
  auto strict = std::make_shared<bool>(false);
  check_verb->add_option("RECIPE", *path, "The recipe (TOML)")->required();
  check_verb->add_flag("--strict", *strict, "Warnings end with 1");
  check_verb->callback([&program, path, strict] {
    program.action = [&program, path, strict] { return check(program, *path, *strict); };
  });

  CLI::App* show_verb = verb->add_subcommand("show", "The fully resolved recipe, with the origin of each value");
  program.add_common_flags(*show_verb, true);
  show_verb->add_option("RECIPE", *path, "The recipe (TOML)")->required();
  show_verb->callback([&program, path] { program.action = [&program, path] { return show(program, *path); }; });

  CLI::App* schema_verb =
      verb->add_subcommand("schema", "JSON Schema of recipes with the plugins there are, for editors");
  program.add_common_flags(*schema_verb, false);
  schema_verb->callback([&program] {
    program.action = [&program] {
      program.print_json(recipe::json_schema(program.registry().schemas()));
      return ExitCode::kDone;
    };
  });
}

}  // namespace osteon::cli
