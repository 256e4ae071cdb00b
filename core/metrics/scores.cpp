// SPDX-License-Identifier: Apache-2.0
#include "metrics/scores.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/csv.hpp"
#include "base/error.hpp"

namespace osteon::metrics {
namespace {

using Figure = double (*)(const ClassCounts&);

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

/// Of those that are there; NaN when none is.
double mean_of(const std::vector<double>& values) {
  double sum = 0, count = 0;
  for (const double value : values) {
    if (std::isnan(value)) continue;
    sum += value;
    ++count;
  }
  return count > 0 ? sum / count : kNone;
}

Summary of_image(const std::vector<ClassCounts>& counts, Figure figure) {
  Summary summary;
  for (const ClassCounts& count : counts) summary.per_class.push_back(count.known ? figure(count) : kNone);
  summary.mean = mean_of(summary.per_class);
  return summary;
}

std::vector<int> known_images(const std::map<std::string, std::vector<ClassCounts>>& rows, std::size_t classes) {
  std::vector<int> images(classes, 0);
  for (const auto& [image, counts] : rows)
    for (std::size_t c = 0; c < classes; ++c) images[c] += counts[c].known ? 1 : 0;
  return images;
}

Summary summarize(const std::map<std::string, std::vector<ClassCounts>>& rows, std::size_t classes, Figure figure) {
  if (rows.empty()) throw Error(ExitCode::kData, "no image was evaluated, so there are no figures");
  Summary summary;
  summary.per_class.assign(classes, 0.0);
  for (const auto& [image, counts] : rows)
    for (std::size_t c = 0; c < classes; ++c) summary.per_class[c] += counts[c].known ? figure(counts[c]) : 0.0;
  const std::vector<int> images = known_images(rows, classes);
  for (std::size_t c = 0; c < classes; ++c)
    summary.per_class[c] = images[c] > 0 ? summary.per_class[c] / images[c] : kNone;
  summary.mean = mean_of(summary.per_class);
  if (std::isnan(summary.mean))
    throw Error(
        ExitCode::kData,
        "in none of the images that were evaluated is there a pixel or a class that counts, so there are no figures");
  return summary;
}

Summary pool(const std::map<std::string, std::vector<ClassCounts>>& rows, std::size_t classes, Figure figure) {
  std::vector<ClassCounts> sums(classes);
  for (const auto& [image, counts] : rows)
    for (std::size_t c = 0; c < classes; ++c) {
      if (!counts[c].known) continue;
      sums[c].intersection += counts[c].intersection;
      sums[c].predicted += counts[c].predicted;
      sums[c].truth += counts[c].truth;
    }
  return of_image(sums, figure);
}

bool is_left_out(const std::vector<ClassCounts>& counts) {
  return std::none_of(counts.begin(), counts.end(), [](const ClassCounts& count) { return count.known; });
}

/// NaN is null.
nlohmann::ordered_json figure_json(double value) {
  return std::isnan(value) ? nlohmann::ordered_json() : nlohmann::ordered_json(value);
}

nlohmann::ordered_json summary_json(const Summary& summary, const std::vector<std::string>& names) {
  nlohmann::ordered_json per_class = nlohmann::ordered_json::object();
  for (std::size_t c = 0; c < names.size(); ++c) per_class[names[c]] = figure_json(summary.per_class[c]);
  return {{"mean", figure_json(summary.mean)}, {"per_class", std::move(per_class)}};
}

/// The shortest text that reads back to the same double, the same in every locale.
std::string number(double value) { return nlohmann::json(value).dump(); }

}  // namespace

Scores::Scores(std::vector<std::string> class_names) : class_names_(std::move(class_names)) {
  if (class_names_.empty()) throw Error(ExitCode::kData, "an evaluation needs at least one class");
}

void Scores::add(const std::string& image, std::vector<ClassCounts> counts) {
  if (counts.size() != class_names_.size())
    throw Error(ExitCode::kData,
                "has counts of " + std::to_string(counts.size()) + " classes, but " +
                    std::to_string(class_names_.size()) + " are evaluated",
                image);
  const std::lock_guard lock(mutex_);
  if (!rows_.emplace(image, std::move(counts)).second)
    throw Error(ExitCode::kData, "was evaluated twice; image names must differ", image);
}

int Scores::images() const { return static_cast<int>(rows_.size() - left_out().size()); }

std::vector<std::string> Scores::left_out() const {
  std::vector<std::string> names;
  for (const auto& [image, counts] : rows_)
    if (is_left_out(counts)) names.push_back(image);
  return names;
}

std::vector<int> Scores::images_per_class() const { return known_images(rows_, class_names_.size()); }
Summary Scores::dice() const { return summarize(rows_, class_names_.size(), metrics::dice); }
Summary Scores::iou() const { return summarize(rows_, class_names_.size(), metrics::iou); }
Summary Scores::pooled_dice() const { return pool(rows_, class_names_.size(), metrics::pooled_dice); }
Summary Scores::pooled_iou() const { return pool(rows_, class_names_.size(), metrics::pooled_iou); }

nlohmann::ordered_json Scores::to_json() const {
  nlohmann::ordered_json result;
  result["images"] = images();
  result["left_out"] = left_out();
  result["images_per_class"] = nlohmann::ordered_json::object();
  const std::vector<int> known = images_per_class();
  for (std::size_t c = 0; c < known.size(); ++c) result["images_per_class"][class_names_[c]] = known[c];
  result["dice"] = summary_json(dice(), class_names_);
  result["iou"] = summary_json(iou(), class_names_);
  result["pooled"] = {{"dice", summary_json(pooled_dice(), class_names_)},
                      {"iou", summary_json(pooled_iou(), class_names_)}};
  result["per_image"] = nlohmann::ordered_json::array();
  for (const auto& [image, counts] : rows_)
    result["per_image"].push_back({{"image", image},
                                   {"dice", summary_json(of_image(counts, metrics::dice), class_names_)},
                                   {"iou", summary_json(of_image(counts, metrics::iou), class_names_)}});
  return result;
}

std::string Scores::to_csv() const {
  std::string text = "image_name,class,dice,iou,intersection,predicted,truth\n";
  for (const auto& [image, counts] : rows_)
    for (std::size_t c = 0; c < counts.size(); ++c) {
      text += csv_field(image) + ',' + csv_field(class_names_[c]) + ',';
      if (counts[c].known)
        text += number(metrics::dice(counts[c])) + ',' + number(metrics::iou(counts[c])) + ',' +
                std::to_string(counts[c].intersection) + ',' + std::to_string(counts[c].predicted) + ',' +
                std::to_string(counts[c].truth) + '\n';
      else
        text += ",,,,\n";
    }
  return text;
}

}  // namespace osteon::metrics
