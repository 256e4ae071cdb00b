// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "plugin/registry.hpp"
#include "recipe/recipe.hpp"

namespace osteon::engine {

/// A component that a run is used with, out of another library than the run was made with.
struct OtherLibrary {
  plugin::Kind kind = plugin::Kind::kModel;
  std::string name;
  std::string version, sha256;            ///< of the one that is here
  std::string made_version, made_sha256;  ///< of the one that the run was made with
};

/// Those of a recipe's model, ensembler and post-processors. `info` is the run's description; of components that it
/// does not speak of nothing is known.
std::vector<OtherLibrary> other_libraries(const nlohmann::json& info, const recipe::Recipe& recipe,
                                          const plugin::Registry& registry);

/// "model 'unet' is of version 1.1.0 (sha256:...) here; the run was made with version 1.0.0 (sha256:...)".
std::string to_string(const OtherLibrary& other);
nlohmann::json to_json(const OtherLibrary& other);

}  // namespace osteon::engine
