// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "plugin/schema.hpp"

namespace osteon::validate {

/// What whoever validates knows and a schema does not say.
struct Given {
  std::vector<std::string> parameters;            ///< `NAME=VALUE`, as a recipe's --set
  std::optional<std::int64_t> channels, classes;  ///< of the one request that a model can serve
};

/// The given parameters that this component has, checked against its schema. Throws recipe::RecipeErrors.
std::map<std::string, plugin::ParameterValue> parameters_of(const plugin::ComponentSchema& schema, const Given& given);

/// The name in front of a `NAME=VALUE`.
std::string name_of(const std::string& parameter);

}  // namespace osteon::validate
