// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include <nlohmann/json.hpp>

namespace osteon {

/// How deep lists and objects of a JSON text may lie within each other. Code that walks through a value calls itself
/// for each level, and a text of some hundred kilobytes can hold enough of them to use up the stack.
inline constexpr int kMostJsonLevels = 200;

/// The value of a JSON text, which came from `where`. Throws Error(kData) that names it, and the byte where it is
/// known, when the text is no JSON, holds a number beyond what a double can, or is deeper than kMostJsonLevels.
nlohmann::json parse_json(const std::string& text, const std::string& where);

/// The text of a value. Bytes that are no UTF-8, which the names of files may hold, become U+FFFD.
template <class Json>
std::string json_text(const Json& value, int indent = -1) {
  return value.dump(indent, ' ', false, Json::error_handler_t::replace);
}

}  // namespace osteon
