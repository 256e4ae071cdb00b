// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "plugin/registry.hpp"

namespace osteon::test {

/// The plugins of the build tree. One registry for the whole program; its cache lies beside the test's.
inline plugin::Registry& registry() {
  static auto* registry = [] {
    plugin::RegistryOptions options;
    options.folders = {OSTEON_PLUGIN_FOLDER};
    options.scanner = OSTEON_PROGRAM;
    return new plugin::Registry(options);
  }();
  return *registry;
}

inline std::vector<std::string> names_of(plugin::Kind kind) {
  std::vector<std::string> names;
  for (const plugin::ComponentSchema& schema : registry().schemas())
    if (schema.kind == kind) names.push_back(schema.name);
  return names;
}

inline plugin::Parameters default_parameters(const plugin::ComponentSchema& schema) {
  plugin::Parameters parameters;
  for (const plugin::ParameterSpec& spec : schema.parameters) parameters.push_back(spec.default_value.value());
  return parameters;
}

inline bool has_all_defaults(const plugin::ComponentSchema& schema) {
  for (const plugin::ParameterSpec& spec : schema.parameters)
    if (!spec.default_value) return false;
  return true;
}

}  // namespace osteon::test
