// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "plugin/schema.hpp"
#include "recipe/node.hpp"
#include "recipe/problems.hpp"

namespace osteon::recipe {

/// The typed value of a node, checked against a parameter's type, counts, bounds and choices. Whatever is wrong goes to
/// `problems`, and nothing comes back. A path becomes absolute from the folder of the file that wrote it. `key` is for
/// messages.
std::optional<plugin::ParameterValue> read_value(const Node& node, const plugin::ParameterSpec& spec,
                                                 const std::string& key, Problems& problems);

/// A value as TOML writes it: `3`, `[0.1, 2.0]`, `"text"`.
std::string toml_text(const plugin::ParameterValue& value, const plugin::ParameterSpec& spec);
std::string toml_string(const std::string& text);
std::string toml_float(double value);

/// "an integer", "a list of floats between 0 and 1", ...: what a spec wants.
std::string expected_text(const plugin::ParameterSpec& spec);

}  // namespace osteon::recipe
