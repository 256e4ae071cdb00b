// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "recipe/problems.hpp"

namespace osteon::recipe {

/// What `make` gives. An error of it that points nowhere points at the component in the recipe.
template <class Make>
auto located(const Component& component, Make&& make) {
  try {
    return make();
  } catch (const Error& e) {
    if (e.code() == ExitCode::kInterrupted || !e.where().empty()) throw;
    throw Error(e.code(), e.what(), to_string(component.location));
  }
}

}  // namespace osteon::recipe
