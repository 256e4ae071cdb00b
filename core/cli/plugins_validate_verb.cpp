// SPDX-License-Identifier: Apache-2.0
// `osteon plugins validate FILE_OR_NAME`, and the hidden `osteon run-check` that it starts for every check.
#include <algorithm>
#include <filesystem>
#include <memory>
#include <thread>

#include <fmt/format.h>

#include "base/file.hpp"
#include "base/suggest.hpp"
#include "base/visible.hpp"
#include "cli/verbs.hpp"
#include "plugin/interrupt.hpp"
#include "plugin/private_copy.hpp"
#include "validate/validation.hpp"

namespace osteon::cli {
namespace {

namespace fs = std::filesystem;
using validate::Verdict;

// A file as it is; a name is looked up among the plugins that were found.
void find_subject(Program& program, const std::string& subject, validate::Request& request) {
  if (subject.find('/') != std::string::npos || fs::path(subject).extension() == ".so") {
    if (!is_file(subject)) throw Error(ExitCode::kUsage, "there is no such file", subject);
    request.file = fs::absolute(subject).lexically_normal();
    return;
  }
  std::vector<std::string> known;
  const plugin::Listing* found = nullptr;
  for (const plugin::Listing& listing : program.registry().listings()) {
    known.push_back(listing.name);
    // One that can be used comes before files that were refused and say that they hold it.
    if (listing.name == subject && (found == nullptr || (listing.ok() && !found->ok()))) found = &listing;
  }
  if (found != nullptr) {
    request.file = found->path;
    if (request.components.empty() && found->ok()) request.components = {subject};
    return;
  }
  throw Error(ExitCode::kUsage, "there is no plugin '" + subject + "'" + did_you_mean(subject, known) +
                                    "; name one of `osteon plugins list`, or a file");
}

// The bytes that are checked. Checks run their code, which an operator's lists have to allow.
plugin::PrivateCopy allowed_copy(const fs::path& file) {
  plugin::PrivateCopy copy(file);
  const std::string why = plugin::refusal_by(plugin::operator_allow_lists(program_file()), copy.sha256());
  if (!why.empty()) throw Error(ExitCode::kPlugin, why, file.string());
  return copy;
}

// Those of a kind that are not shared with another one.
std::vector<validate::CheckInfo> own_checks(plugin::Kind kind) {
  std::vector<validate::CheckInfo> own = validate::validator().kind_checks(kind);
  const std::vector<validate::CheckInfo> shared = validate::validator().fit_checks();
  own.erase(std::remove_if(own.begin(), own.end(),
                           [&](const validate::CheckInfo& check) {
                             return std::any_of(shared.begin(), shared.end(), [&](const validate::CheckInfo& other) {
                               return other.name == check.name;
                             });
                           }),
            own.end());
  return own;
}

ExitCode list_checks(Program& program) {
  using plugin::Kind;
  nlohmann::ordered_json json = nlohmann::ordered_json::array();
  const auto show = [&](const char* of, const std::vector<validate::CheckInfo>& checks) {
    if (!program.json) print_result("{}\n", of);
    for (const validate::CheckInfo& check : checks) {
      if (program.json)
        json.push_back({{"of", of}, {"name", check.name}, {"promise", check.promise}});
      else
        print_result("  {:<34}  {}\n", check.name, check.promise);
    }
  };
  show("library", validate::validator().library_checks());
  show("component", validate::validator().component_checks());
  for (const Kind kind : {Kind::kModel, Kind::kLoss, Kind::kAugmentation, Kind::kPostprocessor, Kind::kEnsembler})
    show(plugin::to_string(kind), own_checks(kind));
  show("fit", validate::validator().fit_checks());
  if (program.json) program.print_json(json);
  return ExitCode::kDone;
}

void add_given_flags(CLI::App& verb, validate::Given& given) {
  verb.add_option("--set", given.parameters, "Create components with this value of a parameter (repeatable)")
      ->type_name("NAME=VALUE")
      ->allow_extra_args(false);
  verb.add_option("--channels", given.channels, "Channels that a model takes, when it takes no others")
      ->type_name("N")
      ->check(CLI::PositiveNumber);
  verb.add_option("--classes", given.classes, "Classes that a model gives, when it gives no others")
      ->type_name("N")
      ->check(CLI::PositiveNumber);
}

std::string heading(const validate::Result& result) {
  if (!result.kind) return "the library";
  return fmt::format("{} '{}' {}", plugin::to_string(*result.kind), result.component, result.version);
}

ExitCode run(Program& program, const std::string& subject, validate::Request request) {
  find_subject(program, subject, request);
  allowed_copy(request.file);  // said once, before every check would say it
  request.program = program_file();
  request.children = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  request.stop = &plugin::interrupted();
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  int passed = 0, failed = 0, skipped = 0;
  std::string group;
  validate::validate(request, [&](const validate::Result& result) {
    const Verdict verdict = result.answer.verdict;
    ++(verdict == Verdict::kPass ? passed : verdict == Verdict::kFail ? failed : skipped);
    if (program.json) {
      rows.push_back({{"name", result.check.name},
                      {"verdict", to_string(verdict)},
                      {"detail", result.answer.detail},
                      {"component", result.component},
                      {"version", result.version},
                      {"kind", result.kind ? plugin::to_string(*result.kind) : "library"},
                      {"promise", result.check.promise},
                      {"seconds", result.seconds}});
      return;
    }
    if (heading(result) != group) {
      group = heading(result);
      print_result("{}\n", visible(group));
    }
    print_result("  {}  {:<34}  {}\n", verdict == Verdict::kFail ? "FAIL" : to_string(verdict), result.check.name,
                 visible(result.answer.detail));
    if (verdict == Verdict::kFail) print_result("        {:<34}  promised: {}\n", "", result.check.promise);
  });
  if (program.json)
    program.print_json(nlohmann::ordered_json{{"plugin", request.file.string()},
                                              {"passed", passed},
                                              {"failed", failed},
                                              {"skipped", skipped},
                                              {"checks", rows}});
  else
    print_result("\n{} passed, {} failed, {} skipped: {}\n", passed, failed, skipped, request.file.string());
  return failed > 0 ? ExitCode::kCheckFailed : ExitCode::kDone;
}

}  // namespace

void add_plugins_validate_verb(CLI::App& plugins, Program& program) {
  CLI::App* verb = plugins.add_subcommand(
      "validate", "Check that a plugin keeps what the ABI promises, each check in a process of its own");
  program.add_common_flags(*verb, false);
  struct Arguments {
    std::string subject;
    std::vector<std::string> checks, components;
    validate::Given given;
    double patience = 1;
    bool list = false;
  };
  auto arguments = std::make_shared<Arguments>();
  verb->add_option("FILE_OR_NAME", arguments->subject, "A library, or the name of a plugin that was found");
  verb->add_option("--check", arguments->checks, "Run this check alone (repeatable)")
      ->type_name("NAME")
      ->allow_extra_args(false);
  verb->add_option("--component", arguments->components, "Look at this component alone (repeatable)")
      ->type_name("NAME")
      ->allow_extra_args(false);
  add_given_flags(*verb, arguments->given);
  verb->add_option("--patience", arguments->patience, "Factor on the limit of every check's processor time")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  verb->add_flag("--list", arguments->list, "Show all checks and what they promise");
  verb->callback([&program, arguments] {
    program.action = [&program, arguments] {
      if (arguments->list) return list_checks(program);
      if (arguments->subject.empty()) throw Error(ExitCode::kUsage, "FILE_OR_NAME is required, or --list");
      validate::Request request;
      request.checks = {arguments->checks.begin(), arguments->checks.end()};
      request.components = {arguments->components.begin(), arguments->components.end()};
      request.given = arguments->given;
      request.patience = arguments->patience;
      return run(program, arguments->subject, std::move(request));
    };
  });
}

void add_run_check_verb(CLI::App& app, Program& program) {
  CLI::App* verb = app.add_subcommand(
      "run-check",
      "Run one check of `plugins validate` in this process, or those that standard input names in copies of it");
  verb->group("");  // not for people
  struct Arguments {
    std::string file, kind, component, version, check;
    std::int64_t limit = 0;
    validate::Given given;
  };
  auto a = std::make_shared<Arguments>();
  verb->add_option("FILE", a->file)->required();
  verb->add_option("KIND", a->kind)->required();
  verb->add_option("COMPONENT", a->component)->required();
  verb->add_option("--check", a->check);
  verb->add_option("--component-version", a->version);
  verb->add_option("--limit", a->limit)->check(CLI::NonNegativeNumber);
  add_given_flags(*verb, a->given);
  verb->callback([&program, a] {
    program.action = [a] {
      const plugin::PrivateCopy copy = allowed_copy(a->file);
      const validate::Checked what{plugin::kind_from_string(a->kind).value_or(plugin::Kind::kModel), a->component,
                                   a->version};
      if (a->check.empty())
        validate::serve_checks(copy.path(), what, a->given, plugin::interrupted());
      else
        validate::run_check(copy.path(), what, a->check, a->given, std::chrono::milliseconds(a->limit));
      return ExitCode::kDone;
    };
  });
}

}  // namespace osteon::cli
