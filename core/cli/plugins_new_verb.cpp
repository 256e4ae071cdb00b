// SPDX-License-Identifier: Apache-2.0
// `osteon plugins new KIND NAME DIR`.
#include <memory>

#include <fmt/format.h>

#include "cli/verbs.hpp"
#include "plugin/scaffold.hpp"

namespace osteon::cli {
namespace {

ExitCode begin_plugin(Program& program, plugin::ScaffoldRequest request) {
  for (const plugin::Listing& known : program.registry().listings())
    if (known.ok() && known.kind == plugin::to_string(request.kind) && known.name == request.name)
      throw Error(ExitCode::kUsage, fmt::format("there is a {} plugin '{}' already, in {}; take another name",
                                                plugin::to_string(request.kind), request.name, known.path.string()));
  request.templates = (program_file().parent_path() / OSTEON_TEMPLATE_FOLDER).lexically_normal();
  request.examples = request.templates.parent_path() / "examples";
  request.documentation = request.templates.parent_path().parent_path() / "doc" / "osteon";
  request.prefix = program_file().parent_path().parent_path();
  const auto files = plugin::write_scaffold(request);
  if (program.json) {
    nlohmann::json list = nlohmann::json::array();
    for (const auto& file : files) list.push_back(file.string());
    program.print_json(nlohmann::json{
        {"files", list}, {"documentation", request.documentation.string()}, {"examples", request.examples.string()}});
    return ExitCode::kDone;
  }
  for (const auto& file : files) print_result("{}\n", file.string());
  print_result(
      "\nNext:\n  cd {}\n  cmake -B build -DCMAKE_PREFIX_PATH={} && cmake --build build && ctest --test-dir build\n",
      request.folder.string(), request.prefix.string());
  print_result("\nWhat the SDK gives: {}\nExamples:           {}\n",
               (request.documentation / "author" / "what-the-sdk-gives.md").string(), request.examples.string());
  return ExitCode::kDone;
}

}  // namespace

void add_plugins_new_verb(CLI::App& plugins, Program& program) {
  CLI::App* verb =
      plugins.add_subcommand("new", "Begin a plugin: a folder that builds, passes its tests and is used in a recipe");
  program.add_common_flags(*verb, false);
  auto request = std::make_shared<plugin::ScaffoldRequest>();
  auto kind = std::make_shared<std::string>();
  verb->add_option("KIND", *kind, "What it is to be")
      ->required()
      ->check(CLI::IsMember({"model", "loss", "augmentation", "postprocessor", "ensembler"}));
  verb->add_option("NAME", request->name, "What recipes will call it")->required();
  verb->add_option("DIR", request->folder, "The folder to make")->required();
  verb->callback([&program, request, kind] {
    program.action = [&program, request, kind] {
      request->kind = plugin::kind_from_string(*kind).value();
      return begin_plugin(program, *request);
    };
  });
}

}  // namespace osteon::cli
