// SPDX-License-Identifier: Apache-2.0
#include "engine/notes_json.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "base/json.hpp"

namespace osteon::engine {
namespace {

// Bytes that are no UTF-8 are replaced, for they could not be printed as JSON.
nlohmann::json text(const std::string& bytes) { return nlohmann::json::parse(json_text(nlohmann::json(bytes))); }

nlohmann::json value_of(const std::string& note) {
  try {
    return parse_json(note, "");
  } catch (const Error&) {
    return text(note);
  }
}

}  // namespace

nlohmann::json notes_json(const std::vector<plugin::Note>& notes, std::initializer_list<std::string> images) {
  nlohmann::json all = nlohmann::json::object();
  for (const plugin::Note& note : notes) {
    if (std::find(images.begin(), images.end(), note.image) == images.end()) continue;
    const std::string who = note.who.empty() ? "osteon" : note.who;
    all[text(who).get<std::string>()][text(note.key).get<std::string>()] = value_of(note.value);
  }
  return all;
}

}  // namespace osteon::engine
