// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "plugin/component.hpp"
#include "recipe/recipe.hpp"

namespace osteon::recipe {

/// The classes of a recipe's data, as components are created with them.
inline plugin::ClassContext class_context(const DataSection& data) {
  plugin::ClassContext classes;
  classes.multiclass = data.kind == "multiclass";
  classes.names = data.classes;
  classes.mirrored.assign(data.mirrored.begin(), data.mirrored.end());
  return classes;
}

}  // namespace osteon::recipe
