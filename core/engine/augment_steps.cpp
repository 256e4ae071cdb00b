// SPDX-License-Identifier: Apache-2.0
#include "engine/augment_steps.hpp"

#include <cmath>
#include <vector>

#include <fmt/format.h>

#include "base/json.hpp"
#include "engine/notes_json.hpp"

namespace osteon::engine {
namespace {

const char* name_of_kind(std::uint32_t kind) {
  switch (kind) {
    case OSTEON_WARP_PERMUTATION:
      return "permutation";
    case OSTEON_WARP_AFFINE:
      return "affine";
    case OSTEON_WARP_FREE:
      return "free";
    default:
      return "identity";
  }
}

nlohmann::ordered_json warp_json(const data::DrawnWarp& warp) {
  nlohmann::ordered_json json = {{"kind", name_of_kind(warp.kind)}, {"size", {warp.output.height, warp.output.width}}};
  if (warp.motion) {
    const data::Motion& m = *warp.motion;
    json["mirrored"] = m.mirrored;
    json["angle"] = m.angle;
    json["scale"] = {m.scale_x, m.scale_y};
    json["shear"] = m.shear;
    json["shift"] = {m.shift_x, m.shift_y};
  }
  if (warp.kind == OSTEON_WARP_FREE) json["moves"] = {{"mean", warp.mean_move}, {"greatest", warp.greatest_move}};
  return json;
}

// Rounding is no motion.
bool counts(double value) { return std::abs(value) > 1e-6; }

std::string motion_text(const data::Motion& m) {
  std::vector<std::string> parts;
  if (m.mirrored) parts.emplace_back("mirrored");
  if (counts(m.scale_x - 1) || counts(m.scale_y - 1))
    parts.push_back(counts(m.scale_x - m.scale_y) ? fmt::format("scale {:.3g} x {:.3g}", m.scale_x, m.scale_y)
                                                  : fmt::format("scale {:.3g}", m.scale_x));
  if (counts(m.shear)) parts.push_back(fmt::format("shear {:.3g}", m.shear));
  if (counts(m.angle)) parts.push_back(fmt::format("angle {:.3g}", m.angle));
  if (counts(m.shift_x) || counts(m.shift_y))
    parts.push_back(fmt::format("shift {:.3g}, {:.3g} px", m.shift_x, m.shift_y));
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string warp_text(const data::DrawnWarp& warp) {
  if (warp.kind == OSTEON_WARP_FREE)
    return fmt::format("moves by {:.3g} px, {:.3g} at most", warp.mean_move, warp.greatest_move);
  return warp.motion ? motion_text(*warp.motion) : "";
}

std::string value_text(const nlohmann::json& value) {
  if (value.is_number_float()) return fmt::format("{:.3g}", value.get<double>());
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_array()) return json_text(value);
  std::vector<std::string> elements;
  for (const nlohmann::json& element : value) elements.push_back(value_text(element));
  return fmt::format("[{}]", fmt::join(elements, ", "));
}

// What the step said, by key; values are JSON, or text where they are none.
nlohmann::json drawn(const data::AppliedStep& step) {
  if (step.notes.empty()) return nlohmann::json::object();
  std::vector<plugin::Note> notes = step.notes;
  for (plugin::Note& note : notes) note.image.clear();  // there is but one
  return notes_json(notes, {""}).front();
}

}  // namespace

nlohmann::ordered_json to_json(const data::AppliedStep& step) {
  nlohmann::ordered_json json = {{"step", step.path}, {"plugin", step.plugin}, {"drew", drawn(step)}};
  if (step.warp) json["warp"] = warp_json(*step.warp);
  json["text"] = text_of(step);
  return json;
}

std::string text_of(const data::AppliedStep& step) {
  std::vector<std::string> parts;
  const nlohmann::json said = drawn(step);
  for (const auto& [key, value] : said.items()) parts.push_back(key + " " + value_text(value));
  if (parts.empty() && step.warp)
    if (std::string text = warp_text(*step.warp); !text.empty()) parts.push_back(std::move(text));
  return parts.empty() ? step.plugin : fmt::format("{}: {}", step.plugin, fmt::join(parts, ", "));
}

}  // namespace osteon::engine
