// SPDX-License-Identifier: Apache-2.0
#include "engine/library_record.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace osteon::engine {
namespace {

using nlohmann::json;

std::string text_at(const json& record, const char* key) {
  return record.contains(key) && record.at(key).is_string() ? record.at(key).get<std::string>() : "";
}

// What the run's description says of a component; of several versions all.
std::vector<json> records_of(const json& info, plugin::Kind kind, const std::string& name) {
  std::vector<json> records;
  if (!info.contains("plugins")) return records;
  for (const json& record : info.at("plugins"))
    if (record.is_object() && text_at(record, "kind") == plugin::to_string(kind) && text_at(record, "name") == name)
      records.push_back(record);
  return records;
}

}  // namespace

std::vector<OtherLibrary> other_libraries(const json& info, const recipe::Recipe& recipe,
                                          const plugin::Registry& registry) {
  std::vector<const recipe::Component*> used;
  if (recipe.model) used.push_back(&recipe.model->component);
  if (recipe.ensemble) used.push_back(&recipe.ensemble->component);
  for (const recipe::Component& post : recipe.predict.post) used.push_back(&post);
  std::vector<OtherLibrary> others;
  for (const recipe::Component* component : used) {
    const plugin::ComponentSchema* here = registry.find(component->kind, component->plugin, component->version);
    const std::vector<json> records = records_of(info, component->kind, component->plugin);
    if (here == nullptr || records.empty()) continue;
    const bool same = std::any_of(records.begin(), records.end(), [&](const json& record) {
      return text_at(record, "sha256") == here->library_sha256;
    });
    if (!same)
      others.push_back({component->kind, component->plugin, here->version, here->library_sha256,
                        text_at(records.front(), "version"), text_at(records.front(), "sha256")});
  }
  return others;
}

std::string to_string(const OtherLibrary& other) {
  return fmt::format("{} '{}' is of version {} (sha256:{}) here; the run was made with version {} (sha256:{})",
                     plugin::to_string(other.kind), other.name, other.version, other.sha256, other.made_version,
                     other.made_sha256);
}

json to_json(const OtherLibrary& other) {
  return {{"kind", plugin::to_string(other.kind)},
          {"name", other.name},
          {"version", other.version},
          {"sha256", other.sha256},
          {"made_with", {{"version", other.made_version}, {"sha256", other.made_sha256}}}};
}

}  // namespace osteon::engine
