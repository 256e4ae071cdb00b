// SPDX-License-Identifier: Apache-2.0
#include "plugin/scan.hpp"

#include <csignal>

#include <sys/wait.h>

#include "base/child.hpp"
#include "base/error.hpp"
#include "base/json.hpp"
#include "plugin/dependencies.hpp"
#include "plugin/descriptor.hpp"
#include "plugin/descriptor_cache.hpp"
#include "plugin/elf.hpp"
#include "plugin/library.hpp"
#include "plugin/schema_json.hpp"

namespace osteon::plugin {
namespace {

ScanResult refused(const std::string& why, bool sticks) {
  ScanResult result;
  result.refusal = why;
  result.sticks = sticks;
  return result;
}

bool ran_out_of_memory(const ChildOutcome& outcome) {
  if (WIFEXITED(outcome.status)) return WEXITSTATUS(outcome.status) == static_cast<int>(ExitCode::kResources);
  // What the runtimes of C++ and Rust say before they abort.
  return outcome.err.find("std::bad_alloc") != std::string::npos ||
         outcome.err.find("memory allocation of ") != std::string::npos;
}

// A time-out, no memory, and signals that come from outside, such as the out-of-memory killer's, say more of the
// machine than of the file.
bool is_the_files_fault(const ChildOutcome& outcome) {
  if (outcome.timed_out || ran_out_of_memory(outcome)) return false;
  if (!WIFSIGNALED(outcome.status)) return true;
  switch (WTERMSIG(outcome.status)) {
    case SIGSEGV:
    case SIGBUS:
    case SIGILL:
    case SIGFPE:
    case SIGABRT:
    case SIGTRAP:
    case SIGSYS:
      return true;
    default:
      return false;
  }
}

// How the process that looked ended, when it did not answer; empty when it did.
std::string end_without_answer(const ChildOutcome& outcome) {
  if (!outcome.ended_well()) return outcome.trouble();
  if (!nlohmann::json::accept(outcome.answer)) return "ended the process, with exit code 0";
  return "";
}

ScanResult ask(const std::vector<std::string>& child, std::chrono::milliseconds time_limit) {
  ChildOutcome outcome;
  for (int attempt = 0; attempt < 2; ++attempt) {
    outcome = run_child(child, time_limit);
    const std::string end = end_without_answer(outcome);
    if (end.empty()) break;
    if (!is_the_files_fault(outcome)) return refused(end + ", when it was looked at", false);
    if (attempt == 1)
      return refused(end +
                         ", both times that it was looked at; it is left alone until it or what it needs changes, or "
                         "`osteon plugins list --rescan`",
                     true);
  }
  try {
    return scan_result_from_json(parse_json(outcome.answer, ""));
  } catch (const std::exception& e) {
    return refused(std::string("gave an answer that means nothing, when it was looked at: ") + e.what(), false);
  }
}

}  // namespace

nlohmann::json to_json(const ScanResult& result) {
  nlohmann::json components = nlohmann::json::array();
  for (const ComponentSchema& schema : result.components) components.push_back(to_json(schema));
  nlohmann::json skipped = nlohmann::json::array();
  for (const SkippedComponent& c : result.skipped)
    skipped.push_back({{"name", c.name}, {"kind", c.kind}, {"version", c.version}, {"reason", c.reason}});
  return {{"abi", result.abi},  {"version", result.version}, {"components", components},
          {"skipped", skipped}, {"refusal", result.refusal}, {"sticks", result.sticks}};
}

ScanResult scan_result_from_json(const nlohmann::json& json) {
  ScanResult result;
  result.abi = json.at("abi");
  result.version = json.at("version");
  result.refusal = json.at("refusal");
  result.sticks = json.at("sticks");
  for (const auto& component : json.at("components"))
    result.components.push_back(component_schema_from_json(component));
  for (const auto& component : json.at("skipped"))
    result.skipped.push_back(
        {component.at("name"), component.at("kind"), component.at("version"), component.at("reason")});
  return result;
}

ScanResult scan_library(const std::filesystem::path& file, const PrivateCopy& copy,
                        const std::filesystem::path& scanner, std::chrono::milliseconds time_limit) {
  try {
    refuse_by_facts(read_elf(copy.path()));
  } catch (const Error& e) {
    return refused(e.what(), true);
  }
  // As they are before: what changes while the library is looked at has changed since.
  std::map<std::filesystem::path, std::string> dependencies;
  for (const std::filesystem::path& needed : dependencies_of(copy.path()))
    dependencies.emplace(needed, file_identity(needed));
  ScanResult result = ask({scanner.string(), "scan-plugin", file.string(), copy.sha256()}, time_limit);
  result.dependencies = std::move(dependencies);
  return result;
}

ScanResult scan_library(const std::filesystem::path& file, const std::filesystem::path& scanner,
                        std::chrono::milliseconds time_limit) {
  std::optional<PrivateCopy> copy;
  try {
    copy.emplace(file);
  } catch (const Error& e) {
    return refused(e.what(), false);
  }
  return scan_library(file, *copy, scanner, time_limit);
}

std::string describe_library(const std::filesystem::path& file, const std::string& sha256,
                             const std::vector<AllowList>& allow) {
  ScanResult result;
  try {
    PrivateCopy copy(file);
    if (copy.sha256() != sha256) throw LoadFailure("changed while it was looked at");
    if (const std::string why = refusal_by(allow, sha256); !why.empty()) throw Error(ExitCode::kPlugin, why);
    const LibraryDescription description = describe(*open_library(std::move(copy)).plugin);
    result.abi = abi_text(description.abi_version);
    result.version = description.version;
    result.components = description.components;
    result.skipped = description.skipped;
  } catch (const LoadFailure& e) {
    result =
        refused(e.what(), false);  // a library that it lacks may be installed tomorrow, and this file stays as it is
  } catch (const Error& e) {
    result = refused(e.what(), e.code() != ExitCode::kResources);
  }
  return json_text(to_json(result));
}

}  // namespace osteon::plugin
