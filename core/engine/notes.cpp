// SPDX-License-Identifier: Apache-2.0
#include "engine/notes.hpp"

#include <algorithm>

namespace osteon::engine {
namespace {

// Bytes that are no UTF-8 are replaced, for they could not be printed as JSON.
nlohmann::json text(const std::string& bytes) {
  return nlohmann::json::parse(nlohmann::json(bytes).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

}  // namespace

nlohmann::json notes_json(const std::vector<plugin::Note>& notes, std::initializer_list<std::string> images) {
  nlohmann::json all = nlohmann::json::object();
  for (const plugin::Note& note : notes) {
    if (std::find(images.begin(), images.end(), note.image) == images.end()) continue;
    nlohmann::json value = nlohmann::json::parse(note.value, nullptr, /*allow_exceptions=*/false);
    if (value.is_discarded()) value = text(note.value);
    const std::string who = note.who.empty() ? "osteon" : note.who;
    all[text(who).get<std::string>()][text(note.key).get<std::string>()] = std::move(value);
  }
  return all;
}

}  // namespace osteon::engine
