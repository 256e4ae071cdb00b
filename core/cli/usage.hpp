// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include <CLI/CLI.hpp>

namespace osteon::cli {

/// What is wrong with a command line that could not be parsed: a verb that there is not is named, and what may have
/// been meant; so is an option.
std::string usage_error(const CLI::App& app, const std::vector<std::string>& arguments, const CLI::ParseError& error);

/// Whether --json is among the arguments, wherever it stands: a command line that cannot be parsed is answered as its
/// writer reads.
bool asks_for_json(const std::vector<std::string>& arguments);

}  // namespace osteon::cli
