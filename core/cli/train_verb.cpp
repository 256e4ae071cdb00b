// SPDX-License-Identifier: Apache-2.0
// `osteon train RECIPE`.
#include <algorithm>
#include <memory>
#include <optional>

#include <fmt/format.h>

#include "cli/verbs.hpp"

namespace osteon::cli {
namespace {

namespace fs = std::filesystem;

struct TrainOptions {
  std::string recipe;
  std::string out;
  std::string resume;
  std::optional<int> fold;
  std::string folds;
  bool overwrite = false;
};

engine::TrainRequest request_for(Program& program, const fs::path& recipe, const fs::path& out,
                                 const std::vector<std::string>& more_overrides = {}) {
  engine::TrainRequest request;
  request.recipe = program.load_recipe(recipe, more_overrides).recipe;
  request.out = out;
  request.overrides = program.overrides;
  request.overrides.insert(request.overrides.end(), more_overrides.begin(), more_overrides.end());
  return request;
}

std::string fold_override(int fold) { return "data.fold=" + std::to_string(fold); }
fs::path fold_folder(const fs::path& out, int fold) { return out / ("fold" + std::to_string(fold)); }

nlohmann::json train_one(Program& program, const TrainOptions& options, const fs::path& out) {
  std::vector<std::string> overrides;
  if (options.fold) overrides.push_back(fold_override(*options.fold));
  engine::TrainRequest request = request_for(program, options.recipe, out, overrides);
  request.overwrite = options.overwrite;
  program.check_components(request.recipe);
  return program.engine().train(request);
}

/// The recipe of a fold in a folder that `--folds all` made, always the same one; empty: the folder is none.
fs::path recipe_of_folds(const fs::path& out) {
  std::vector<fs::path> recipes;
  std::error_code none;
  for (fs::directory_iterator entry(out, none), end; !none && entry != end; entry.increment(none))
    if (const fs::path recipe = entry->path() / "recipe.toml";
        entry->path().filename().string().rfind("fold", 0) == 0 && fs::exists(recipe, none))
      recipes.push_back(recipe);
  return recipes.empty() ? fs::path() : *std::min_element(recipes.begin(), recipes.end());
}

/// One run for each fold of a recipe, in `out`; those that are there already are gone on with.
nlohmann::json train_folds(Program& program, const fs::path& recipe, const fs::path& out, bool overwrite) {
  nlohmann::json runs = nlohmann::json::array();
  const recipe::Recipe checked = program.load_recipe(recipe).recipe;
  program.check_components(checked);
  const int folds = checked.data.folds;
  for (int k = 0; k < folds; ++k) {
    engine::TrainRequest request = request_for(program, recipe, fold_folder(out, k), {fold_override(k)});
    request.overwrite = overwrite;
    request.go_on = !overwrite;
    try {
      runs.push_back(program.engine().train(request));
    } catch (const Interrupted&) {
      if (recipe_of_folds(out).empty()) throw;
      // Not with this fold alone, as the engine would say.
      throw Interrupted("interrupted; go on with: osteon train --resume " + out.string());
    }
  }
  return {{"folds", runs}};
}

nlohmann::json resume(Program& program, const TrainOptions& options) {
  const fs::path run = options.resume, recipe = run / "recipe.toml";
  std::error_code none;
  if (!fs::exists(recipe, none))
    if (const fs::path of_folds = recipe_of_folds(run); !of_folds.empty())
      return train_folds(program, of_folds, run, /*overwrite=*/false);
  if (!fs::exists(recipe, none))
    throw Error(ExitCode::kData,
                "there is no run to go on with: it has no recipe.toml; `osteon train RECIPE --out " + run.string() +
                    "` begins it",
                run.string());
  engine::TrainRequest request = request_for(program, recipe, run);
  request.resume = true;
  program.check_components(request.recipe);
  return program.engine().train(request);
}

void print_runs(const nlohmann::json& result) {
  if (result.contains("folds")) {
    for (const auto& run : result.at("folds")) print_runs(run);
    return;
  }
  print_result("{}: {}\n", result.at("run").get<std::string>(), result.at("summary").get<std::string>());
}

ExitCode train(Program& program, const TrainOptions& options) {
  nlohmann::json result;
  if (!options.resume.empty()) {
    if (!options.recipe.empty() || !options.out.empty() || options.fold || !options.folds.empty() || options.overwrite)
      throw Error(ExitCode::kUsage,
                  "--resume RUN goes on with a run in its folder, by its recipe and what --set changes "
                  "of that; leave the others out");
    result = resume(program, options);
  } else {
    if (options.recipe.empty()) throw Error(ExitCode::kUsage, "train needs a recipe, or --resume RUN");
    if (!options.folds.empty() && options.folds != "all")
      throw Error(ExitCode::kUsage, "--folds takes 'all'; one fold is --fold K");
    const fs::path out =
        options.out.empty() ? fs::path("runs") / fs::path(options.recipe).stem() : fs::path(options.out);
    result = options.folds.empty() ? train_one(program, options, out)
                                   : train_folds(program, options.recipe, out, options.overwrite);
  }
  if (program.json)
    program.print_json(result);
  else
    print_runs(result);
  return ExitCode::kDone;
}

}  // namespace

void add_train_verb(CLI::App& app, Program& program) {
  CLI::App* verb = app.add_subcommand("train", "Train a recipe; the result is a run folder");
  program.add_common_flags(*verb, true);
  auto options = std::make_shared<TrainOptions>();
  verb->add_option("RECIPE", options->recipe, "The recipe (TOML)");
  verb->add_option("--out", options->out, "The run folder to write (runs/<recipe>)")->type_name("DIR");
  verb->add_option("--resume", options->resume, "Go on with an interrupted run, or with the folds in a folder")
      ->type_name("RUN");
  verb->add_option("--fold", options->fold, "The fold that validates, over data.fold")->type_name("K");
  verb->add_option("--folds", options->folds,
                   "'all': one run per fold, in DIR/fold0, DIR/fold1, ...; goes on where it stopped")
      ->type_name("all");
  verb->add_flag("--overwrite", options->overwrite, "Replace a run that is there already");
  verb->callback([&program, options] { program.action = [&program, options] { return train(program, *options); }; });
}

}  // namespace osteon::cli
