// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "plugin/schema.hpp"

namespace osteon::plugin {

/// A plugin that is to be begun.
struct ScaffoldRequest {
  Kind kind = Kind::kModel;
  std::string name;                     ///< what recipes will call it
  std::filesystem::path folder;         ///< to be made; may exist when it is empty
  std::filesystem::path prefix;         ///< of the installation that it is to be built against
  std::filesystem::path templates;      ///< where the SDK's templates lie
  std::filesystem::path documentation;  ///< what a reader of its README is sent to
  std::filesystem::path examples;
};

/// Writes the folder of a new plugin that builds, passes its test and `plugins validate`, and is used in a recipe, from
/// templates/<kind> and templates/common. Gives the files written, in order of their names. The folder appears as a
/// whole or not at all. Throws Error(kUsage) for a name that recipes could not write or a folder that is not empty,
/// Error(kData) when the templates cannot be read or the folder cannot be written.
std::vector<std::filesystem::path> write_scaffold(const ScaffoldRequest& request);

}  // namespace osteon::plugin
