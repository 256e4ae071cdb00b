// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "plugin/schema.hpp"

namespace osteon::plugin {

/// What is known of one library file: its components, or why it is refused.
struct ScanResult {
  std::string abi;      ///< "0.1"; empty when unknown
  std::string version;  ///< of the library
  std::vector<ComponentSchema> components;
  std::string refusal;  ///< empty when it is fine
  bool sticks = true;   ///< false: the refusal says more of the machine's state (a time-out) than of the file; look
                        ///< again next time
};

nlohmann::json to_json(const ScanResult& result);
ScanResult scan_result_from_json(const nlohmann::json& json);

/// Looks at a library: first at what the file says, then, in a child process `scanner scan-plugin FILE`, at what its
/// code says. A crash, an exit or a time-out of the child is a refusal with that reason.
ScanResult scan_library(const std::filesystem::path& file, const std::filesystem::path& scanner,
                        std::chrono::milliseconds time_limit = std::chrono::seconds(30));

}  // namespace osteon::plugin
