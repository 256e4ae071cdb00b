// SPDX-License-Identifier: Apache-2.0
// `osteon weights inspect FILE` and `osteon weights convert IN OUT`.
#include <algorithm>
#include <iterator>
#include <map>
#include <memory>

#include <fmt/format.h>

#include "base/visible.hpp"
#include "cli/verbs.hpp"
#include "engine/weights_tools.hpp"

namespace osteon::cli {
namespace {

std::string size_text(std::uint64_t bytes) {
  if (bytes < 1024) return fmt::format("{} bytes", bytes);
  const char* const units[] = {"KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  for (; value >= 1024 && unit + 1 < std::size(units); ++unit) value /= 1024;
  return fmt::format("{:.1f} {}", value, units[unit]);
}

std::string tensors_text(std::size_t count) { return fmt::format("{} tensor{}", count, count == 1 ? "" : "s"); }

/// What the tensors were taken from, and what was not taken.
void print_choice(const nlohmann::ordered_json& result) {
  const auto list = [&](const char* key, const char* title) {
    const auto items = result.at(key).get<std::vector<std::string>>();
    if (!items.empty()) print_result("{}: {}\n", title, visible(fmt::format("{}", fmt::join(items, ", "))));
  };
  if (const auto key = result.at("key").get<std::string>(); !key.empty())
    print_result("state dict: {}\n", visible(key));
  list("other_keys", "other state dicts (--key)");
  list("left_out", "left out");
}

void print_table(const nlohmann::ordered_json& result) {
  const auto& tensors = result.at("tensors");
  constexpr std::size_t kWidest = 80;  // longer names move their row's rest to the right, not all others'
  std::size_t width = 4;
  std::map<std::string, std::size_t> dtypes;
  for (const auto& tensor : tensors) {
    width = std::clamp(tensor.at("name").get_ref<const std::string&>().size(), width, kWidest);
    ++dtypes[tensor.at("dtype")];
  }
  print_result("{:<{}}  {:<7}  {}\n", "name", width, "dtype", "shape");
  for (const auto& tensor : tensors)
    print_result("{:<{}}  {:<7}  [{}]\n", visible(tensor.at("name")), width,
                 tensor.at("dtype").get_ref<const std::string&>(),
                 fmt::join(tensor.at("shape").get<std::vector<std::int64_t>>(), ", "));
  print_result("\n{}, {} elements, {}", tensors_text(tensors.size()), result.at("elements").get<std::uint64_t>(),
               size_text(result.at("bytes")));
  const char* separator = ": ";
  for (const auto& [dtype, count] : dtypes) {
    print_result("{}{} {}", separator, count, dtype);
    separator = ", ";
  }
  print_result("\nformat: {}\n", result.at("format").get_ref<const std::string&>());
  print_choice(result);
  for (const auto& [key, value] : result.at("metadata").items())
    print_result("metadata {}: {}\n", visible(key), visible(value));
}

void add_key(CLI::App& verb, std::string& key) {
  verb.add_option(
          "--key", key,
          "Which state dict, where a file has several: its key, as in model_ema or ema.model, or what the names "
          "of its tensors begin with")
      ->type_name("KEY");
}

void add_inspect(CLI::App& weights, Program& program) {
  CLI::App* verb =
      weights.add_subcommand("inspect", "Names, types and shapes in a file of weights (safetensors, .pth, .pt)");
  program.add_common_flags(*verb, false);
  struct Options {
    std::string file, key;
  };
  auto options = std::make_shared<Options>();
  verb->add_option("FILE", options->file,
                   "safetensors, an index of its shards, or what torch.save wrote; nothing in it is run")
      ->required();
  add_key(*verb, options->key);
  verb->callback([&program, options] {
    program.action = [&program, options] {
      const nlohmann::ordered_json result = engine::inspect_weights(options->file, options->key);
      program.json ? program.print_json(result) : print_table(result);
      return ExitCode::kDone;
    };
  });
}

void add_convert(CLI::App& weights, Program& program) {
  CLI::App* verb = weights.add_subcommand("convert", "Write the tensors of a file as safetensors");
  program.add_common_flags(*verb, false);
  auto request = std::make_shared<engine::ConvertWeightsRequest>();
  verb->add_option("IN", request->in,
                   "safetensors, an index of its shards, or what torch.save wrote; nothing in it is run")
      ->required();
  verb->add_option("OUT", request->out, "NAME.safetensors")->required();
  add_key(*verb, request->key);
  verb->add_flag("--overwrite", request->overwrite, "Replace a file that is there already");
  verb->callback([&program, request] {
    program.action = [&program, request] {
      const nlohmann::ordered_json result = engine::convert_weights(*request);
      if (program.json) {
        program.print_json(result);
        return ExitCode::kDone;
      }
      print_result("{}, {}, in {}\n", tensors_text(result.at("tensors")), size_text(result.at("bytes")),
                   request->out.string());
      print_choice(result);
      return ExitCode::kDone;
    };
  });
}

}  // namespace

void add_weights_verb(CLI::App& app, Program& program) {
  CLI::App* verb = app.add_subcommand("weights", "Files of weights");
  verb->require_subcommand(1);
  add_inspect(*verb, program);
  add_convert(*verb, program);
}

}  // namespace osteon::cli
