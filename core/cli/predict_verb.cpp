// SPDX-License-Identifier: Apache-2.0
// `osteon predict RUN INPUT...`.
#include <algorithm>
#include <memory>

#include <fmt/format.h>

#include "cli/verbs.hpp"

namespace osteon::cli {
namespace {

namespace fs = std::filesystem;

struct PredictOptions {
  std::string run;
  std::vector<std::string> inputs;
  std::string out;
  std::string formats = "png";
  std::string probabilities_dtype;
  bool plan = false;
  bool same_plugins = false;
};

std::vector<std::string> format_list(const std::string& text) {
  static const std::vector<std::string> kKnown = {"csv", "png", "overlay", "probabilities"};
  std::vector<std::string> formats;
  for (std::size_t start = 0; start <= text.size();) {
    const std::size_t end = std::min(text.find(',', start), text.size());
    const std::string name = text.substr(start, end - start);
    if (std::find(kKnown.begin(), kKnown.end(), name) == kKnown.end())
      throw Error(ExitCode::kUsage, fmt::format("--format: '{}' is none of {}", name, fmt::join(kKnown, ", ")));
    formats.push_back(name);
    start = end + 1;
  }
  return formats;
}

ExitCode predict(Program& program, const PredictOptions& options) {
  engine::PredictRequest request;
  request.run = options.run;
  request.out = options.out;
  request.formats = format_list(options.formats);
  if (!options.probabilities_dtype.empty() &&
      std::find(request.formats.begin(), request.formats.end(), "probabilities") == request.formats.end())
    throw Error(ExitCode::kUsage, "--probabilities-dtype is of --format probabilities, which is not asked for");
  request.half_probabilities = options.probabilities_dtype == "float16";
  request.show_plan = options.plan;
  request.same_plugins = options.same_plugins;
  request.inputs = options.inputs;
  if (!fs::exists(request.run / "recipe.toml"))
    throw Error(ExitCode::kData, "this is no run folder: it has no recipe.toml", request.run.string());
  request.recipe = program.load_recipe(request.run / "recipe.toml").recipe;
  program.check_components(*request.recipe);
  const nlohmann::json result = program.engine().predict(request);
  const std::size_t failed = result.at("failed"), predicted = result.at("images").size() - failed,
                    odd = result.at("implausible").is_number() ? result.at("implausible").get<std::size_t>() : 0;
  if (program.json)
    program.print_json(result);
  else
    print_result("{} images predicted{}{}; {} in {}\n", predicted,
                 failed > 0 ? fmt::format(", {} named above could not be", failed) : "",
                 odd > 0 ? fmt::format(", {} named above look wrong", odd) : "", fmt::join(request.formats, ", "),
                 request.out.string());
  const bool skips = request.recipe->data.on_broken == "skip" && predicted > 0;
  return failed > 0 && !skips ? ExitCode::kData : ExitCode::kDone;
}

}  // namespace

void add_predict_verb(CLI::App& app, Program& program) {
  CLI::App* verb = app.add_subcommand("predict", "Masks of images, at each image's own size");
  program.add_common_flags(*verb, true);
  auto options = std::make_shared<PredictOptions>();
  verb->add_option("RUN", options->run, "The run folder")->required();
  verb->add_option("INPUT", options->inputs, "Image files, folders of images, or quoted patterns")->required();
  verb->add_option("--out", options->out, "The folder to write")->type_name("DIR")->required();
  program.add_post_flag(*verb);
  verb->add_option("--format", options->formats, "Comma-separated: csv, png, overlay, probabilities")
      ->type_name("LIST")
      ->capture_default_str();
  verb->add_option("--probabilities-dtype", options->probabilities_dtype,
                   "Of probabilities: float32 (unless told) or float16, which takes half the space")
      ->check(CLI::IsMember({"float32", "float16"}));
  verb->add_flag("--plan", options->plan,
                 "Say on stderr which way of running the model was chosen, with measured times");
  verb->add_flag("--same-plugins", options->same_plugins,
                 "Refuse libraries of plugins that differ from those that the run was made with");
  verb->callback([&program, options] { program.action = [&program, options] { return predict(program, *options); }; });
}

}  // namespace osteon::cli
