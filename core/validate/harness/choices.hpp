// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "plugin/type_table.hpp"
#include "validate/check.hpp"

namespace osteon::validate {

/// The subject with the choices and booleans of a row of its types.
inline Subject with_choices(const Subject& subject, const plugin::TypeRow& row) {
  Subject other = subject;
  auto value = row.values.begin();
  for (const plugin::ParameterSpec& spec : subject.component.schema.parameters) {
    if (spec.list || (spec.type != plugin::ParameterType::kBool && spec.type != plugin::ParameterType::kChoice))
      continue;
    if (spec.type == plugin::ParameterType::kBool)
      other.parameters[spec.name] = std::vector<bool>{*value == "true"};
    else
      other.parameters[spec.name] = std::vector<std::string>{*value};
    ++value;
  }
  return other;
}

}  // namespace osteon::validate
