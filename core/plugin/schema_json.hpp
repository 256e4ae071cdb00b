// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>

#include "plugin/schema.hpp"

namespace osteon::plugin {

/// `plugins describe --json`, and how the descriptor cache keeps schemas. Bounds that are not there are null, and so
/// are the defaults of required parameters. Scalars are plain values, ranges and lists are arrays.
nlohmann::json to_json(const ParameterSpec& spec);
nlohmann::json to_json(const ComponentSchema& schema);

/// The inverse. Throws nlohmann::json::exception for anything else.
ComponentSchema component_schema_from_json(const nlohmann::json& json);

}  // namespace osteon::plugin
