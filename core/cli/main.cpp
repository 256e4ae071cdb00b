// SPDX-License-Identifier: Apache-2.0
// The program: a table of verbs, and one place where errors become sentences and exit codes.
#include <cstdio>
#include <exception>
#include <new>

#include <fmt/format.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <CLI/CLI.hpp>

#include "cli/program.hpp"
#include "cli/verbs.hpp"
#include "plugin/call.hpp"
#include "recipe/problems.hpp"

namespace osteon::cli {
namespace {

using AddVerb = void (*)(CLI::App&, Program&);
constexpr AddVerb kVerbs[] = {add_plugins_verb,  add_recipe_verb,      add_phantom_verb,  add_train_verb,
                              add_evaluate_verb, add_predict_verb,     add_model_verb,    add_weights_verb,
                              add_doctor_verb,   add_scan_plugin_verb, add_run_check_verb};

int report(const Program& program, ExitCode code, const std::string& message, const std::string& where) {
  if (program.json)
    program.print_json(
        nlohmann::json{{"error", {{"code", static_cast<int>(code)}, {"message", message}, {"where", where}}}});
  else
    fmt::print(stderr, "osteon: {}{}{}\n", where, where.empty() ? "" : ": ", message);
  return static_cast<int>(code);
}

int run(int argc, char** argv) {
  Program program;
  CLI::App app("Osteon: plugin-based multi-label segmentation. Recipes in, masks out.", "osteon");
  app.set_version_flag("--version", OSTEON_VERSION);
  app.require_subcommand(1);
  for (const AddVerb add : kVerbs) add(app, program);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& e) {
    return app.exit(e);
  } catch (const CLI::CallForVersion& e) {
    return app.exit(e);
  } catch (const CLI::Success& e) {
    return app.exit(e);
  } catch (const CLI::ParseError& e) {
    return report(program, ExitCode::kUsage, std::string(e.what()) + " (`-h` shows what there is, at every level)", "");
  }
  try {
    return static_cast<int>(program.action());
  } catch (const recipe::RecipeErrors& e) {
    if (program.json)
      program.print_json(recipe_errors_json(e));
    else
      fmt::print(stderr, "{}", e.what());
    return static_cast<int>(ExitCode::kUsage);
  } catch (const Error& e) {
    return report(program, e.code(), e.what(), e.where());
  } catch (const std::bad_alloc&) {
    return report(program, ExitCode::kResources, "out of memory", "");
  } catch (const std::exception& e) {
    return report(program, ExitCode::kCheckFailed, std::string("internal error: ") + e.what(), "");
  }
}

}  // namespace
}  // namespace osteon::cli

int main(int argc, char** argv) {
  auto log = spdlog::stderr_color_mt("osteon");
  log->set_pattern("%^%l%$: %v");
  spdlog::set_default_logger(log);
  osteon::plugin::install_signal_handlers();
  return osteon::cli::run(argc, argv);
}
