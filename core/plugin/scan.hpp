// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "plugin/allow_list.hpp"
#include "plugin/private_copy.hpp"
#include "plugin/schema.hpp"

namespace osteon::plugin {

/// What is known of one library file: its components, or why it is refused.
struct ScanResult {
  std::string abi;      ///< "0.2"; empty when unknown
  std::string version;  ///< of the library
  std::vector<ComponentSchema> components;
  std::vector<SkippedComponent> skipped;
  std::string refusal;  ///< empty when it is fine
  bool sticks = true;   ///< false: the refusal says more of the machine's state (a time-out, no memory) than of the
                        ///< file; look again next time
  std::map<std::filesystem::path, std::string> dependencies;  ///< that it was looked at with, and their file_identity()
};

/// All but the dependencies, which the child that describes a library does not know.
nlohmann::json to_json(const ScanResult& result);
ScanResult scan_result_from_json(const nlohmann::json& json);

/// Looks at a library: first at what the file says, then, in a child process `scanner scan-plugin FILE SHA256`, at what
/// its code says. The child runs the code of these very bytes or none.
///
/// A crash, an exit or a time-out of the child is a refusal with that reason. What would be held against the file, and
/// not against the machine, is tried once more before it is.
ScanResult scan_library(const std::filesystem::path& file, const PrivateCopy& copy,
                        const std::filesystem::path& scanner,
                        std::chrono::milliseconds time_limit = std::chrono::seconds(30));

/// The same of the file as it is now. What cannot be read is a refusal as well.
ScanResult scan_library(const std::filesystem::path& file, const std::filesystem::path& scanner,
                        std::chrono::milliseconds time_limit = std::chrono::seconds(30));

/// What `scan-plugin` prints: the description of one library as JSON, made by loading it here. A refusal is a part of
/// it; a file whose bytes are not those of `sha256`, or are not in every list, is refused before any of its code runs.
std::string describe_library(const std::filesystem::path& file, const std::string& sha256,
                             const std::vector<AllowList>& allow);

}  // namespace osteon::plugin
