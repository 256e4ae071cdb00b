// SPDX-License-Identifier: Apache-2.0
// The program: a table of verbs, and one place where errors become sentences and exit codes.
#include <algorithm>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <memory>
#include <new>
#include <sstream>
#include <system_error>

#include <fmt/format.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <CLI/CLI.hpp>

#include "base/file.hpp"
#include "base/visible.hpp"
#include "cli/output.hpp"
#include "cli/program.hpp"
#include "cli/usage.hpp"
#include "cli/verbs.hpp"
#include "plugin/interrupt.hpp"
#include "recipe/problems.hpp"

namespace osteon::cli {
namespace {

using AddVerb = void (*)(CLI::App&, Program&);
constexpr AddVerb kVerbs[] = {add_plugins_verb,   add_recipe_verb,      add_phantom_verb, add_train_verb,
                              add_evaluate_verb,  add_predict_verb,     add_post_verb,    add_augment_verb,
                              add_model_verb,     add_weights_verb,     add_doctor_verb,  add_scan_plugin_verb,
                              add_run_check_verb, add_test_kernels_verb};

// What stood in files and plugins' texts reaches the terminal without what it would take for a command.
class VisiblePayload final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&, spdlog::memory_buf_t& out) override {
    const std::string text = visible_lines({message.payload.data(), message.payload.size()});
    out.append(text.data(), text.data() + text.size());
  }
  std::unique_ptr<custom_flag_formatter> clone() const override { return std::make_unique<VisiblePayload>(); }
};

void prepare_log() {
  auto formatter = std::make_unique<spdlog::pattern_formatter>();
  formatter->add_flag<VisiblePayload>('*').set_pattern("%^%l%$: %*");
  auto log = spdlog::stderr_color_mt("osteon");
  log->set_formatter(std::move(formatter));
  spdlog::set_default_logger(log);
}

int say(const Error& error) {
  const std::string& where = error.where();
  fmt::print(stderr, "osteon: {}\n", visible_lines(where + (where.empty() ? "" : ": ") + error.what()));
  return static_cast<int>(error.code());
}

int report(const Program& program, const Error& error) {
  if (!program.json) return say(error);
  try {
    program.print_json(nlohmann::json{
        {"error", {{"code", static_cast<int>(error.code())}, {"message", error.what()}, {"where", error.where()}}}});
    return static_cast<int>(error.code());
  } catch (const Error& unwritten) {
    if (std::string(unwritten.what()) != error.what()) say(error);  // else it was a result that could not be written
    return say(unwritten);
  }
}

int report(const Program& program, const recipe::RecipeErrors& errors) {
  if (program.json)
    program.print_json(recipe_errors_json(errors));
  else
    fmt::print(stderr, "{}", visible_lines(errors.what()));
  return static_cast<int>(ExitCode::kUsage);
}

Error unforeseen(const std::string& what) {
  return Error(ExitCode::kUnforeseen, "internal error: " + what +
                                          "; this is a fault of the program (osteon " OSTEON_VERSION
                                          "): please report it, with the command and this text");
}

// Turns whatever `work` throws into a sentence and an exit code.
template <class Work>
int guarded(const Program& program, Work&& work) {
  try {
    return static_cast<int>(work());
  } catch (const recipe::RecipeErrors& e) {
    return report(program, e);
  } catch (const Error& e) {
    return report(program, e);
  } catch (const std::bad_alloc&) {
    return report(program, Error(ExitCode::kResources, "out of memory"));
  } catch (const std::filesystem::filesystem_error& e) {
    return report(program, error_of(e));
  } catch (const std::system_error& e) {  // no thread could be started, and the like
    return report(program, Error(ExitCode::kResources, e.what()));
  } catch (const std::exception& e) {
    return report(program, unforeseen(e.what()));
  } catch (...) {
    return report(program, unforeseen("something that is no exception of the standard library's"));
  }
}

ExitCode parse_and_run(CLI::App& app, Program& program, int argc, char** argv) {
  const std::vector<std::string> arguments(argv + std::min(argc, 1), argv + argc);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& e) {  // help, the version
    std::ostringstream text;
    app.exit(e, text, text);
    write_result(text.str());
    return ExitCode::kDone;
  } catch (const CLI::ParseError& e) {
    program.json = asks_for_json(arguments);
    throw Error(ExitCode::kUsage, usage_error(app, arguments, e));
  }
  return program.action();
}

int run(int argc, char** argv) {
  Program program;
  CLI::App app("Osteon: plugin-based multi-label segmentation. Recipes in, masks out.", "osteon");
  app.set_version_flag("--version", OSTEON_VERSION);
  app.require_subcommand(1);
  for (const AddVerb add : kVerbs) add(app, program);
  // Twice, for the report of an error is a result, and may find the disk full.
  return guarded(Program(), [&] { return guarded(program, [&] { return parse_and_run(app, program, argc, argv); }); });
}

}  // namespace
}  // namespace osteon::cli

int main(int argc, char** argv) {
  if (!osteon::cli::open_standard_descriptors()) return static_cast<int>(osteon::ExitCode::kResources);
  osteon::cli::prepare_log();
  osteon::plugin::install_signal_handlers();
  return osteon::cli::run(argc, argv);
}
