// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include <nlohmann/json.hpp>

#include "plugin/schema.hpp"

namespace osteon::recipe {

/// The grammar of recipes as JSON Schema (draft 7, which TOML plugins of editors read), with the parameters of these
/// plugins. Cross-checks between keys are beyond it; `recipe check` has the last word.
nlohmann::json json_schema(const std::vector<plugin::ComponentSchema>& schemas);

}  // namespace osteon::recipe
