// SPDX-License-Identifier: Apache-2.0
// `osteon post run NAME` and `osteon post preview RUN IMAGE`.
#include <memory>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "base/visible.hpp"
#include "cli/verbs.hpp"
#include "engine/weights_tools.hpp"

namespace osteon::cli {
namespace {

namespace fs = std::filesystem;

struct RunOptions {
  std::string plugin, recipe;
  std::vector<std::string> parameters;
  engine::PostRunRequest request;
};

// Without a recipe classes have no names, and there are as many as the file has.
std::vector<std::string> numbered_classes(const fs::path& probabilities) {
  std::vector<std::string> names;
  const std::size_t count = engine::stored_classes(probabilities);
  for (std::size_t c = 0; c < count; ++c) names.push_back(fmt::format("class-{}", c));
  return names;
}

ExitCode run(Program& program, RunOptions& options) {
  recipe::PostAlone post{options.plugin, options.recipe, {}};
  if (post.recipe.empty()) post.classes = numbered_classes(options.request.probabilities);
  options.request.recipe = program.load_post(post, options.parameters).recipe;
  const nlohmann::ordered_json result = program.engine(engine::KernelTest::kNone).run_post(options.request);
  if (program.json) {
    program.print_json(result);
    return ExitCode::kDone;
  }
  for (const auto& [name, areas] : result.at("areas").items()) {
    const auto of = [&, &row = areas](const char* key) { return row.at(key).template get<std::int64_t>(); };
    if (of("added") + of("removed") > 0)
      print_result("{}: {} pixels, before {} ({} added, {} removed)\n", visible(name), of("after"), of("before"),
                   of("added"), of("removed"));
  }
  print_result("{} in {:.3f} s: {}\n", options.plugin, result.at("seconds").get<double>(),
               visible(options.request.output.string()));
  return ExitCode::kDone;
}

ExitCode preview(Program& program, engine::PostPreviewRequest& request) {
  if (!fs::exists(request.run / "recipe.toml"))
    throw Error(ExitCode::kData, "this is no run folder: it has no recipe.toml", request.run.string());
  request.recipe = program.load_recipe(request.run / "recipe.toml").recipe;
  if (request.recipe.predict.post.empty())
    spdlog::info("the run has no [[predict.post]]: the sheet shows the decided masks alone");
  const nlohmann::ordered_json result = program.engine().preview_post(request);
  if (program.json) {
    program.print_json(result);
    return ExitCode::kDone;
  }
  for (const auto& stage : result.at("stages"))
    if (stage.contains("added"))
      print_result("{}: {} pixels added, {} removed\n", visible(stage.at("name").get<std::string>()),
                   stage.at("added").get<std::int64_t>(), stage.at("removed").get<std::int64_t>());
  print_result("{}\n", visible(request.out.string()));
  return ExitCode::kDone;
}

void add_run(CLI::App& verb, Program& program) {
  CLI::App* run_verb = verb.add_subcommand("run", "One post-processor alone, over stored probabilities of an image");
  program.add_common_flags(*run_verb, false);
  auto options = std::make_shared<RunOptions>();
  run_verb->add_option("NAME", options->plugin, "The post-processor")->required();
  run_verb->add_option("--image", options->request.image, "The image")->type_name("FILE")->required();
  run_verb
      ->add_option("--probabilities", options->request.probabilities,
                   "Safetensors with `probabilities`, as `predict --format probabilities` writes them")
      ->type_name("FILE")
      ->required();
  run_verb->add_option("--output", options->request.output, "The safetensors to write")->type_name("FILE")->required();
  run_verb
      ->add_option(
          "--recipe", options->recipe,
          "Gives names and kind of the classes, and thresholds; without it they are class-0, class-1, ..., and "
          "may overlap")
      ->type_name("FILE");
  run_verb
      ->add_option("--set", options->parameters,
                   "A parameter of the post-processor, as in min_area=40, or the classes that it acts on (repeatable)")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  run_verb->callback([&program, options] { program.action = [&program, options] { return run(program, *options); }; });
}

void add_preview(CLI::App& verb, Program& program) {
  CLI::App* sheet = verb.add_subcommand(
      "preview", "A contact sheet (PNG): an image, its masks before and after a run's post-processors, the difference");
  program.add_common_flags(*sheet, true);
  auto request = std::make_shared<engine::PostPreviewRequest>();
  request->out = "post.png";
  sheet->add_option("RUN", request->run, "The run folder")->required();
  sheet->add_option("IMAGE", request->image, "The image")->required();
  sheet->add_option("--out", request->out, "The PNG to write")->type_name("FILE")->capture_default_str();
  sheet->add_option("--tile", request->tile, "Greatest side of a tile, px; larger images are reduced to it")
      ->check(CLI::Range(64, 16384))
      ->capture_default_str();
  sheet->callback([&program, request] { program.action = [&program, request] { return preview(program, *request); }; });
}

}  // namespace

void add_post_verb(CLI::App& app, Program& program) {
  CLI::App* verb = app.add_subcommand("post", "What post-processors do");
  verb->require_subcommand(1);
  add_run(*verb, program);
  add_preview(*verb, program);
}

}  // namespace osteon::cli
