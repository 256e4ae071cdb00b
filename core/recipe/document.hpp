// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "recipe/node.hpp"
#include "recipe/problems.hpp"

namespace osteon::recipe {

/// Reads one TOML file. Syntax errors, and values that recipes have no use for (dates, times), go to `problems`; what
/// could be read comes back as a table.
Node parse_file(const std::filesystem::path& path, Problems& problems);

/// Puts `${NAME}` and `${NAME:-default}` in for environment variables in every string; `$$` is a dollar sign.
void expand_environment(Node& node, Problems& problems);

/// Reads the file, and all that it extends, and merges them: what is extended first, in order, then the file itself.
/// Tables merge key by key; arrays, arrays of tables too, replace; a table that names another `plugin` than the one
/// beneath replaces it, for the other's parameters mean nothing to it. `extends` itself is gone from the result.
Node load_with_extends(const std::filesystem::path& path, Problems& problems);

/// Applies `key.path=value` over `root`. The value is TOML; a bare word that is no TOML is a string. `key[0]` is an
/// array's element, which must be there.
void apply_override(Node& root, const std::string& text, Problems& problems);

}  // namespace osteon::recipe
