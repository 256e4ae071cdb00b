// SPDX-License-Identifier: Apache-2.0
// `osteon recipe check`, `osteon recipe show` and `osteon recipe schema`.
#include <algorithm>
#include <memory>

#include <fmt/format.h>

#include "cli/verbs.hpp"
#include "recipe/schema_export.hpp"

namespace osteon::cli {
namespace {

ExitCode check(Program& program, const std::string& path, bool strict) {
  const recipe::LoadedRecipe loaded = program.load_recipe(path);
  const bool holds = !strict || loaded.warnings.empty();
  if (program.json)
    program.print_json(
        nlohmann::json{{"ok", holds}, {"errors", nlohmann::json::array()}, {"warnings", loaded.warnings}});
  else
    print_result("{}: {}\n", path, holds ? "ok" : "has warnings");
  return holds ? ExitCode::kDone : ExitCode::kCheckFailed;
}

ExitCode show(Program& program, const std::string& path) {
  const recipe::LoadedRecipe loaded = program.load_recipe(path);
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
