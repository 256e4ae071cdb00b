// SPDX-License-Identifier: Apache-2.0
// `osteon augment preview RECIPE IMAGE`.
#include <memory>
#include <optional>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "base/visible.hpp"
#include "cli/verbs.hpp"

namespace osteon::cli {
namespace {

struct PreviewOptions {
  std::string recipe;
  std::optional<std::int64_t> seed;
  engine::AugmentPreviewRequest request;
};

// One line for each draw: "epoch 3: horizontal_flip: mirrored; rotate: angle -7.1".
void print_tiles(const nlohmann::ordered_json& result) {
  for (const nlohmann::ordered_json& tile : result.at("tiles")) {
    if (tile.at("epoch").is_null()) continue;
    std::vector<std::string> steps;
    for (const nlohmann::ordered_json& step : tile.at("steps")) steps.push_back(step.at("text"));
    print_result("epoch {}: {}\n", tile.at("epoch").get<std::int64_t>(),
                 steps.empty() ? "no step ran" : visible(fmt::format("{}", fmt::join(steps, "; "))));
  }
}

ExitCode preview(Program& program, PreviewOptions& options) {
  engine::AugmentPreviewRequest& request = options.request;
  request.recipe = program.load_recipe(options.recipe).recipe;
  if (options.seed) request.recipe.train.seed = *options.seed;
  const nlohmann::ordered_json result = program.engine(engine::KernelTest::kNone).preview_augment(request);
  if (program.json) {
    program.print_json(result);
    return ExitCode::kDone;
  }
  for (const nlohmann::ordered_json& remark : result.at("remarks")) spdlog::info("{}", remark.get<std::string>());
  print_tiles(result);
  print_result("{} tiles in {}\n", result.at("tiles").size(), visible(request.out.string()));
  return ExitCode::kDone;
}

}  // namespace

void add_augment_verb(CLI::App& app, Program& program) {
  CLI::App* verb = app.add_subcommand("augment", "What a recipe's augmentations do");
  verb->require_subcommand(1);
  CLI::App* sheet = verb->add_subcommand(
      "preview", "A contact sheet (PNG) of what the model sees of an image: the view, and one draw for each epoch");
  program.add_common_flags(*sheet, true);
  auto options = std::make_shared<PreviewOptions>();
  engine::AugmentPreviewRequest& request = options->request;
  request.out = "augment.png";
  sheet->add_option("RECIPE", options->recipe, "The recipe (TOML)")->required();
  sheet->add_option("IMAGE", request.image, "The image; in the recipe's data set it has its labels there")->required();
  sheet->add_option("--out", request.out, "The PNG to write")->type_name("FILE")->capture_default_str();
  sheet
      ->add_option("--labels", request.labels,
                   "Labels to outline: the competition's JSON, a PNG of class indices, or a folder of CLASS.png")
      ->type_name("PATH");
  sheet->add_option("--count", request.count, "Draws, one an epoch")->check(CLI::Range(1, 1000))->capture_default_str();
  sheet->add_option("--epoch", request.epoch, "The first epoch, from 1 on, as training counts")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1000000}))
      ->capture_default_str();
  sheet->add_option("--seed", options->seed, "Instead of the recipe's train.seed")->check(CLI::NonNegativeNumber);
  sheet->add_option("--columns", request.columns, "Tiles in a row; 0: about as many as rows")
      ->check(CLI::Range(0, 1000))
      ->capture_default_str();
  sheet->add_option("--tile", request.tile, "Greatest side of a tile, px; larger views are reduced to it")
      ->check(CLI::Range(64, 16384))
      ->capture_default_str();
  sheet->callback([&program, options] { program.action = [&program, options] { return preview(program, *options); }; });
}

}  // namespace osteon::cli
