// SPDX-License-Identifier: Apache-2.0
#include "plugin/scan.hpp"

#include <csignal>

#include <sys/wait.h>

#include "base/child.hpp"
#include "base/error.hpp"
#include "plugin/descriptor.hpp"
#include "plugin/elf.hpp"
#include "plugin/library.hpp"
#include "plugin/registry.hpp"
#include "plugin/schema_json.hpp"

namespace osteon::plugin {
namespace {

ScanResult judge(const ChildOutcome& outcome) {
  ScanResult result;
  if (!outcome.ended_well()) {
    result.refusal = outcome.trouble() + ", when it was looked at";
    // A time-out and what the out-of-memory killer sends say more of the machine than of the file.
    result.sticks = !outcome.timed_out && !(WIFSIGNALED(outcome.status) && WTERMSIG(outcome.status) == SIGKILL);
    return result;
  }
  try {
    return scan_result_from_json(nlohmann::json::parse(outcome.answer));
  } catch (const nlohmann::json::exception&) {
    result.refusal = "ended the process that looked at it, with exit code 0, before it had been described";
    return result;
  }
}

}  // namespace

nlohmann::json to_json(const ScanResult& result) {
  nlohmann::json components = nlohmann::json::array();
  for (const ComponentSchema& schema : result.components) components.push_back(to_json(schema));
  return {{"abi", result.abi},
          {"version", result.version},
          {"components", components},
          {"refusal", result.refusal},
          {"sticks", result.sticks}};
}

ScanResult scan_result_from_json(const nlohmann::json& json) {
  ScanResult result;
  result.abi = json.at("abi");
  result.version = json.at("version");
  result.refusal = json.at("refusal");
  result.sticks = json.at("sticks");
  for (const auto& component : json.at("components"))
    result.components.push_back(component_schema_from_json(component));
  return result;
}

ScanResult scan_library(const std::filesystem::path& file, const std::filesystem::path& scanner,
                        std::chrono::milliseconds time_limit) {
  try {
    refuse_by_facts(read_elf(file));
  } catch (const Error& e) {
    ScanResult refused;
    refused.refusal = e.what();
    return refused;
  }
  return judge(run_child({scanner.string(), "scan-plugin", file.string()}, time_limit));
}

std::string describe_library(const std::filesystem::path& file) {
  ScanResult result;
  try {
    const LibraryDescription description = describe(*open_library(file).plugin);
    result.abi = abi_text(description.abi_version);
    result.version = description.version;
    result.components = description.components;
  } catch (const LoadFailure& e) {
    result.refusal = e.what();
    result.sticks = false;  // a library that it lacks may be installed tomorrow, and this file stays as it is
  } catch (const Error& e) {
    result.refusal = e.what();
  }
  return to_json(result).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace osteon::plugin
