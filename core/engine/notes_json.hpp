// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <initializer_list>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "plugin/call.hpp"

namespace osteon::engine {

/// What was noted of some images, by name; "" stands for requests: {"component": {"key": value}}. A value that is no
/// JSON becomes a string.
nlohmann::json notes_json(const std::vector<plugin::Note>& notes, std::initializer_list<std::string> images);

}  // namespace osteon::engine
