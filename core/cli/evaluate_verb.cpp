// SPDX-License-Identifier: Apache-2.0
// `osteon evaluate RUN`.
#include <filesystem>
#include <map>
#include <memory>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "base/json.hpp"
#include "cli/verbs.hpp"

namespace osteon::cli {
namespace {

struct EvaluateOptions {
  std::string run;
  std::string subset = "validation";
  std::string data;
};

engine::Subset subset_of(const std::string& name) {
  static const std::map<std::string, engine::Subset> kSubsets = {{"validation", engine::Subset::kValidation},
                                                                 {"train", engine::Subset::kTrain},
                                                                 {"test", engine::Subset::kTest},
                                                                 {"all", engine::Subset::kAll}};
  return kSubsets.at(name);
}

// A class that no image knows has no figure.
std::string figure(const nlohmann::ordered_json& value) {
  return value.is_null() ? "-" : fmt::format("{:.4f}", value.get<double>());
}

void print(const nlohmann::ordered_json& result) {
  const auto& dice = result.at("dice");
  const auto& iou = result.at("iou");
  const auto& known = result.at("images_per_class");
  print_result("{} images of {}\n", result.at("subset").get<std::string>(), result.at("data").get<std::string>());
  print_result("{:<24} {:>8} {:>8}\n", "class", "Dice", "IoU");
  for (const auto& [name, value] : dice.at("per_class").items()) {
    const int images = known.at(name).get<int>();
    print_result("{:<24} {:>8} {:>8}{}\n", name, figure(value), figure(iou.at("per_class").at(name)),
                 images == result.at("images").get<int>() ? "" : fmt::format("   over {} images", images));
  }
  print_result("{:<24} {:>8.4f} {:>8.4f}   over {} images\n", "mean", dice.at("mean").get<double>(),
               iou.at("mean").get<double>(), result.at("images").get<int>());
  if (const auto& odd = result.at("implausible"); odd.is_number() && odd > 0)
    print_result("{:<24} {} of {} images, named above\n", "masks that look wrong", odd.get<int>(),
                 result.at("images").get<int>());
  const auto& pooled = result.at("pooled");
  print_result("{:<24} {:>8} {:>8}   from the areas of all images together\n", "pooled mean",
               figure(pooled.at("dice").at("mean")), figure(pooled.at("iou").at("mean")));
}

// What a file says of post-processing, as --set would: the evaluation is the same whatever the file is called.
std::vector<std::string> post_settings(const recipe::Recipe& recipe) {
  std::vector<std::string> settings;
  for (const recipe::Origin& origin : recipe.origins)
    if (origin.key.rfind("predict.post", 0) == 0 || origin.key.rfind("predict.threshold", 0) == 0)
      settings.push_back(origin.key + '=' + origin.value);
  return settings;
}

ExitCode evaluate(Program& program, const EvaluateOptions& options) {
  std::vector<std::string> overrides;
  if (!options.data.empty()) overrides.push_back("data.root=" + json_text(nlohmann::json(options.data)));
  engine::EvaluateRequest request;
  request.run = options.run;
  request.subset = subset_of(options.subset);
  request.overrides = program.overrides;
  request.overrides.insert(request.overrides.end(), overrides.begin(), overrides.end());
  if (!std::filesystem::exists(request.run / "recipe.toml"))
    throw Error(ExitCode::kData, "this is no run folder: it has no recipe.toml", request.run.string());
  request.recipe = program.load_recipe(request.run / "recipe.toml", overrides).recipe;
  program.check_components(*request.recipe);
  if (!program.post_file.empty())
    for (std::string& setting : post_settings(*request.recipe)) request.overrides.push_back(std::move(setting));
  const nlohmann::ordered_json result = program.engine().evaluate(request);
  if (program.json)
    program.print_json(result);
  else
    print(result);
  if (!result.contains("not_kept")) return ExitCode::kDone;
  const auto& reason = result.at("not_kept");
  spdlog::error("{}: {}", reason.at("where").get<std::string>(), reason.at("message").get<std::string>());
  return ExitCode::kResources;
}

}  // namespace

void add_evaluate_verb(CLI::App& app, Program& program) {
  CLI::App* verb = app.add_subcommand("evaluate", "Dice and IoU of a run, per class, per image and mean");
  program.add_common_flags(*verb, true);
  auto options = std::make_shared<EvaluateOptions>();
  verb->add_option("RUN", options->run, "The run folder")->required();
  program.add_post_flag(*verb);
  verb->add_option("--subset", options->subset,
                   "Images to look at: the validation fold, what was trained on, test, or all")
      ->check(CLI::IsMember({"validation", "train", "test", "all"}))
      ->capture_default_str();
  verb->add_option("--data", options->data, "Another data set of the same layout, over data.root")->type_name("DIR");
  verb->callback([&program, options] { program.action = [&program, options] { return evaluate(program, *options); }; });
}

}  // namespace osteon::cli
