// SPDX-License-Identifier: Apache-2.0
// `osteon model forward RECIPE`.
#include <memory>

#include <fmt/format.h>

#include "base/visible.hpp"
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
  forward
      ->add_option("--weights", options->request.weights,
                   "What model.weights takes: safetensors, an index of shards, or .pth; instead of the recipe's")
      ->type_name("FILE");
  forward
      ->add_option(
          "--key", options->request.key,
          "Which state dict of the weights, where the file has several, or what the names of its tensors begin with; "
          "over model.weights_key")
      ->type_name("KEY");
  forward->add_option("--input", options->request.input, "safetensors with `x`, float32 [N, C, H, W]")
      ->type_name("FILE")
      ->required();
  forward
      ->add_option("--output", options->request.output,
                   "safetensors to write, with `logits` [N, K, H, W] in the element type that the model gives")
      ->type_name("FILE")
      ->required();
  forward->add_option("--precision", options->request.precision, "float32, tf32, float16 or bfloat16")
      ->check(CLI::IsMember({"float32", "tf32", "float16", "bfloat16"}))
      ->capture_default_str();
  forward->add_flag("--all-outputs", options->request.all_outputs,
                    "Write the model's other outputs too, under their names");
  forward->add_flag("--plain", options->request.plain, "The reference path only: no compiled graph, no other layout");
  forward->callback([&program, options] {
    program.action = [&program, options] {
      options->request.recipe = program.load_recipe(options->recipe).recipe;
      const nlohmann::json result = program.engine().forward(options->request);
      if (program.json)
        program.print_json(result);
      else
        for (const nlohmann::json& tensor : result.at("tensors"))
          print_result("{} {} {} in {}\n", visible(tensor.at("name")), tensor.at("dtype").get<std::string>(),
                       tensor.at("shape").dump(), options->request.output.string());
      return ExitCode::kDone;
    };
  });
}

}  // namespace osteon::cli
