// SPDX-License-Identifier: Apache-2.0
// `osteon model forward RECIPE`.
#include <memory>

#include <fmt/format.h>

#include "cli/verbs.hpp"

namespace osteon::cli {

void add_model_verb(CLI::App& app, Program& program) {
  CLI::App* verb = app.add_subcommand("model", "One model alone");
  verb->require_subcommand(1);
  CLI::App* forward = verb->add_subcommand("forward", "Raw logits of a tensor, for parity checks");
  program.add_common_flags(*forward, true);
  struct Options {
    std::string recipe;
    engine::ForwardRequest request;
  };
  auto options = std::make_shared<Options>();
  forward->add_option("RECIPE", options->recipe, "The recipe whose [model] is run")->required();
  forward->add_option("--weights", options->request.weights, "safetensors or .pth to load, over model.weights")
      ->type_name("FILE");
  forward->add_option("--input", options->request.input, "safetensors with `x`, float32 [N, C, H, W]")
      ->type_name("FILE")
      ->required();
  forward->add_option("--output", options->request.output, "safetensors to write, with `logits` [N, K, H, W]")
      ->type_name("FILE")
      ->required();
  forward->add_flag("--plain", options->request.plain, "The reference path only: no compiled graph, no other layout");
  forward->callback([&program, options] {
    program.action = [&program, options] {
      options->request.recipe = program.load_recipe(options->recipe).recipe;
      const nlohmann::json result = program.engine().forward(options->request);
      if (program.json)
        program.print_json(result);
      else
        fmt::print("logits {} in {}\n", result.at("shape").dump(), options->request.output.string());
      return ExitCode::kDone;
    };
  });
}

}  // namespace osteon::cli
