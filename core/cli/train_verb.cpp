// SPDX-License-Identifier: Apache-2.0
// `osteon train RECIPE`.
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

nlohmann::json train_one(Program& program, const TrainOptions& options, const fs::path& out,
                         std::vector<std::string> overrides) {
  engine::TrainRequest request;
  request.recipe = program.load_recipe(options.recipe, overrides).recipe;
  request.out = out;
  request.overwrite = options.overwrite;
  return program.engine().train(request);
}

nlohmann::json resume(Program& program, const TrainOptions& options) {
  engine::TrainRequest request;
  request.out = options.resume;
  request.resume = true;
  request.recipe = program.load_recipe(request.out / "recipe.toml").recipe;
  return program.engine().train(request);
}

nlohmann::json train_folds(Program& program, const TrainOptions& options, const fs::path& out) {
  nlohmann::json runs = nlohmann::json::array();
  const int folds = program.load_recipe(options.recipe).recipe.data.folds;
  for (int k = 0; k < folds; ++k)
    runs.push_back(train_one(program, options, out / ("fold" + std::to_string(k)), {"data.fold=" + std::to_string(k)}));
  return {{"folds", runs}};
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
    if (!options.recipe.empty() || !options.out.empty() || options.fold || !options.folds.empty())
      throw Error(ExitCode::kUsage, "--resume RUN takes its recipe and folder from the run; leave the others out");
    result = resume(program, options);
  } else {
    if (options.recipe.empty()) throw Error(ExitCode::kUsage, "train needs a recipe, or --resume RUN");
    if (!options.folds.empty() && options.folds != "all")
      throw Error(ExitCode::kUsage, "--folds takes 'all'; one fold is --fold K");
    const fs::path out =
        options.out.empty() ? fs::path("runs") / fs::path(options.recipe).stem() : fs::path(options.out);
    if (!options.folds.empty())
      result = train_folds(program, options, out);
    else if (options.fold)
      result = train_one(program, options, out, {"data.fold=" + std::to_string(*options.fold)});
    else
      result = train_one(program, options, out, {});
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
  verb->add_option("--resume", options->resume, "Go on with an interrupted run")->type_name("RUN");
  verb->add_option("--fold", options->fold, "The fold that validates, over data.fold")->type_name("K");
  verb->add_option("--folds", options->folds, "'all': one run per fold, in DIR/fold0, DIR/fold1, ...")
      ->type_name("all");
  verb->add_flag("--overwrite", options->overwrite, "Replace a run that is there already");
  verb->callback([&program, options] { program.action = [&program, options] { return train(program, *options); }; });
}

}  // namespace osteon::cli
