// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "plugin/schema.hpp"
#include "recipe/recipe.hpp"

namespace osteon::recipe {

/// One key of the host's own, described as plugins describe their parameters: validation, defaults, `recipe show`, the
/// JSON Schema and the reference page all come from this one table.
struct Field {
  plugin::ParameterSpec spec;
  std::function<void(Recipe&, const plugin::ParameterValue&)> assign;
  bool accepts_scalar = false;  ///< a list that may be written as its only element
  /// The `name` of its table that the key belongs to: with another one it is refused and has no value. Empty: with any.
  std::string only_with = {};
};

/// A table whose keys the recipe chooses (class names, output names) and whose values are numbers.
struct MapField {
  std::string key;
  std::string doc;
  double minimum, maximum;
  std::function<void(Recipe&, std::map<std::string, double>)> assign;
};

/// One table of a recipe.
struct Section {
  std::string name;  ///< "" for the top, "data", "train.optimizer", ...
  std::string doc;
  std::vector<Field> fields;
  std::vector<MapField> maps;
};

/// The host's tables, in the order in which they are shown.
const std::vector<Section>& host_sections();
const Section& host_section(const std::string& name);

/// Keys of the host beside a plugin's parameters, by kind of component ("plugin" itself is not among them).
const std::vector<Field>& component_fields(plugin::Kind kind);

}  // namespace osteon::recipe
