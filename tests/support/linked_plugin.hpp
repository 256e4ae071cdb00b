// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>

#include <osteon/abi/entry.h>

#include "plugin/descriptor.hpp"

namespace osteon::test {

/// The component of a plugin that is linked into the test.
inline plugin::LoadedComponent linked_component(plugin::Kind kind, const std::string& name) {
  return plugin::component_of(*osteon_get_plugin(OSTEON_ABI_VERSION), kind, name);
}

/// Defaults, with some values replaced by name.
inline plugin::Parameters parameters_of(const plugin::LoadedComponent& component,
                                        const std::map<std::string, plugin::ParameterValue>& given = {}) {
  plugin::Parameters parameters;
  for (const plugin::ParameterSpec& spec : component.schema.parameters) {
    const auto found = given.find(spec.name);
    parameters.push_back(found != given.end() ? found->second : spec.default_value.value());
  }
  return parameters;
}

}  // namespace osteon::test
