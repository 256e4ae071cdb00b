// SPDX-License-Identifier: Apache-2.0
#include "validate/given.hpp"

#include "recipe/document.hpp"
#include "recipe/value.hpp"

namespace osteon::validate {

std::map<std::string, plugin::ParameterValue> parameters_of(const plugin::ComponentSchema& schema, const Given& given) {
  recipe::Problems problems;
  recipe::Node table;
  table.value = recipe::Node::Table{};
  for (const std::string& parameter : given.parameters) recipe::apply_override(table, parameter, problems);
  std::map<std::string, plugin::ParameterValue> values;
  for (const plugin::ParameterSpec& spec : schema.parameters)
    if (const recipe::Node* node = table.find(spec.name))
      if (auto value = recipe::read_value(*node, spec, spec.name, problems)) values.emplace(spec.name, *value);
  problems.throw_if_any();
  return values;
}

std::string name_of(const std::string& parameter) { return parameter.substr(0, parameter.find('=')); }

}  // namespace osteon::validate
