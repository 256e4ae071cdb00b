// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "plugin/schema.hpp"

namespace osteon::plugin {

/// Compares two versions of a component as semantic versioning does: numbers by value, part by part, then a version
/// with a pre-release ("1.2.0-rc1") below the one without; missing parts are 0. Below 0, 0 or above 0.
int compare_versions(const std::string& a, const std::string& b);

/// Whether `version` is one that a recipe's `version = "asked"` means: the parts that are asked for are the same, so
/// that "1.2" means any 1.2.x, and "" any at all. A pre-release is only meant by its whole text.
bool version_matches(const std::string& asked, const std::string& version);

/// Of the components of this kind and name the highest that `asked` means; nullptr when there is none.
const ComponentSchema* highest(const std::vector<ComponentSchema>& schemas, Kind kind, const std::string& name,
                               const std::string& asked);

}  // namespace osteon::plugin
