// SPDX-License-Identifier: Apache-2.0
#include "base/json.hpp"

#include "base/error.hpp"

namespace osteon {
namespace {

std::string at_byte(const std::string& where, std::size_t byte) { return where + ":" + std::to_string(byte); }

// Before anything is made of the text, which need not be JSON.
void refuse_depth(const std::string& text, const std::string& where) {
  int depth = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\') ++i;
      quoted = c != '"';
    } else if (c == '"') {
      quoted = true;
    } else if (c == ']' || c == '}') {
      --depth;
    } else if ((c == '[' || c == '{') && ++depth > kMostJsonLevels) {
      throw Error(ExitCode::kData,
                  "lists and objects lie within each other more than " + std::to_string(kMostJsonLevels) + " deep",
                  at_byte(where, i));
    }
  }
}

// Without the library's own number of the error.
std::string reason(const nlohmann::json::exception& e) {
  const std::string text = e.what();
  const std::size_t end = text.find("] ");
  return text.rfind("[json.exception.", 0) == 0 && end != std::string::npos ? text.substr(end + 2) : text;
}

}  // namespace

nlohmann::json parse_json(const std::string& text, const std::string& where) {
  refuse_depth(text, where);
  try {
    return nlohmann::json::parse(text);
  } catch (const nlohmann::json::parse_error& e) {
    throw Error(ExitCode::kData, "is not valid JSON: " + reason(e), at_byte(where, e.byte > 0 ? e.byte - 1 : 0));
  } catch (const nlohmann::json::exception& e) {
    throw Error(ExitCode::kData, "is not valid JSON: " + reason(e), where);
  }
}

}  // namespace osteon
