// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "data/applied_step.hpp"

namespace osteon::engine {

/// {"step": "augment[0]", "plugin": "turn", "drew": {"angle": -7.1}, "warp": {"kind": "affine", ...}, "text": ...}:
/// what the plugin said of its draw, what the host sees of a geometric one, and text_of() it.
nlohmann::ordered_json to_json(const data::AppliedStep& step);

/// The same for people, in one line: "turn: angle -7.1". Of a plugin that says nothing, what its warp does.
std::string text_of(const data::AppliedStep& step);

}  // namespace osteon::engine
