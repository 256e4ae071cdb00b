// SPDX-License-Identifier: Apache-2.0
#include "metrics/label_ranges.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace osteon::metrics {
namespace {

constexpr double kMoreArea = 2, kMoreExtent = 2, kMoreForeground = 1.5, kMoreRuns = 2, kLessOverlap = 0.25;
// Of an image: what a mask may gain at its edge, and how far, whatever the class.
constexpr double kEdgeArea = 1e-3, kEdgeExtent = 0.05;

nlohmann::json range_json(const SeenRange& range) {
  return {{"least", range.least}, {"most", range.most}, {"images", range.count}};
}

SeenRange range_from(const nlohmann::json& json) {
  return {json.at("least").get<double>(), json.at("most").get<double>(), json.at("images").get<std::int64_t>()};
}

std::string share(double value) { return fmt::format("{:.3g} %", 100 * value); }

}  // namespace

void SeenRange::add(double value) { add({value, value, 1}); }

void SeenRange::add(const SeenRange& other) {
  if (other.count == 0) return;
  least = count == 0 ? other.least : std::min(least, other.least);
  most = count == 0 ? other.most : std::max(most, other.most);
  count += other.count;
}

nlohmann::json to_json(const Implausible& found) {
  return {{"class", found.class_name.empty() ? nlohmann::json() : nlohmann::json(found.class_name)},
          {"what", found.what},
          {"found", found.found},
          {found.too_little ? "least" : "most", found.bound},
          {"text", found.text}};
}

void LabelRanges::add(const std::vector<std::string>& classes, const LabelShape& shape, std::int64_t runs, int height) {
  for (std::size_t c = 0; c < classes.size(); ++c) {
    const ClassShape& one = shape.classes[c];
    if (!one.known) continue;
    OfClass& seen = classes_[classes[c]];
    seen.area.add(one.area);
    seen.parts.add(one.parts);
    seen.extent.add(one.extent);
  }
  foreground_.add(shape.foreground);
  if (shape.foreground > 0) overlap_.add(shape.overlap);
  runs_per_row_.add(static_cast<double>(runs) / height);
}

void LabelRanges::add(const LabelRanges& other) {
  for (const auto& [name, of_other] : other.classes_) {
    OfClass& seen = classes_[name];
    seen.area.add(of_other.area);
    seen.parts.add(of_other.parts);
    seen.extent.add(of_other.extent);
  }
  foreground_.add(other.foreground_);
  overlap_.add(other.overlap_);
  runs_per_row_.add(other.runs_per_row_);
}

std::vector<Implausible> LabelRanges::against(const std::vector<std::string>& classes, const LabelShape& shape,
                                              std::int64_t runs, int height) const {
  std::vector<Implausible> all;
  for (std::size_t c = 0; c < classes.size(); ++c) {
    const auto found = classes_.find(classes[c]);
    if (found == classes_.end()) continue;
    const OfClass& seen = found->second;
    const ClassShape& one = shape.classes[c];
    if (one.area > kMoreArea * seen.area.most + kEdgeArea)
      all.push_back({classes[c], "area", one.area, seen.area.most, false,
                     fmt::format("{} covers {} of the image, in training at most {}", classes[c], share(one.area),
                                 share(seen.area.most))});
    if (one.extent > kMoreExtent * seen.extent.most + kEdgeExtent)
      all.push_back({classes[c], "extent", one.extent, seen.extent.most, false,
                     fmt::format("{} reaches{} over {} of the image's side, in training over at most {}", classes[c],
                                 one.parts > 1 ? fmt::format(", in {} parts,", one.parts) : "", share(one.extent),
                                 share(seen.extent.most))});
  }
  if (!empty() && shape.foreground > kMoreForeground * foreground_.most + kEdgeArea)
    all.push_back({"", "foreground", shape.foreground, foreground_.most, false,
                   fmt::format("all classes together cover {} of the image, in training at most {}",
                               share(shape.foreground), share(foreground_.most))});
  if (shape.foreground > 0 && shape.overlap < kLessOverlap * overlap_.least)
    all.push_back({"", "overlaps", shape.overlap, overlap_.least, true,
                   fmt::format("{} of its foreground has more than one class, in training at least {}",
                               share(shape.overlap), share(overlap_.least))});
  const double expected = runs_per_row_.most * height;
  if (!empty() && static_cast<double>(runs) > kMoreRuns * expected)
    all.push_back({"", "runs", static_cast<double>(runs), expected, false,
                   fmt::format("its runs take {} characters of CSV, after training at most {:.0f} are expected", runs,
                               expected)});
  return all;
}

nlohmann::json LabelRanges::to_json() const {
  nlohmann::json classes = nlohmann::json::object();
  for (const auto& [name, seen] : classes_)
    classes[name] = {
        {"area", range_json(seen.area)}, {"parts", range_json(seen.parts)}, {"extent", range_json(seen.extent)}};
  return {{"classes", std::move(classes)},
          {"foreground", range_json(foreground_)},
          {"overlaps", range_json(overlap_)},
          {"runs_per_row", range_json(runs_per_row_)}};
}

LabelRanges LabelRanges::from_json(const nlohmann::json& json) {
  LabelRanges ranges;
  for (const auto& [name, of_class] : json.at("classes").items())
    ranges.classes_[name] = {range_from(of_class.at("area")), range_from(of_class.at("parts")),
                             range_from(of_class.at("extent"))};
  ranges.foreground_ = range_from(json.at("foreground"));
  if (json.contains("overlaps")) ranges.overlap_ = range_from(json.at("overlaps"));  // runs made before it was kept
  ranges.runs_per_row_ = range_from(json.at("runs_per_row"));
  return ranges;
}

}  // namespace osteon::metrics
