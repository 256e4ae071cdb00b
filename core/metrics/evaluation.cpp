// SPDX-License-Identifier: Apache-2.0
#include "metrics/evaluation.hpp"

#include <numeric>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/csv.hpp"
#include "base/error.hpp"

namespace osteon::metrics {
namespace {

using Figure = double (*)(const ClassCounts&);

double mean_of(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

Summary of_image(const std::vector<ClassCounts>& counts, Figure figure) {
  Summary summary;
  for (const ClassCounts& count : counts) summary.per_class.push_back(figure(count));
  summary.mean = mean_of(summary.per_class);
  return summary;
}

Summary summarize(const std::map<std::string, std::vector<ClassCounts>>& rows, std::size_t classes, Figure figure) {
  if (rows.empty()) throw Error(ExitCode::kData, "no image was evaluated, so there are no figures");
  Summary summary;
  summary.per_class.assign(classes, 0.0);
  for (const auto& [image, counts] : rows)
    for (std::size_t c = 0; c < classes; ++c) summary.per_class[c] += figure(counts[c]);
  for (double& value : summary.per_class) value /= static_cast<double>(rows.size());
  summary.mean = mean_of(summary.per_class);
  return summary;
}

nlohmann::ordered_json to_json(const Summary& summary, const std::vector<std::string>& names) {
  nlohmann::ordered_json per_class = nlohmann::ordered_json::object();
  for (std::size_t c = 0; c < names.size(); ++c) per_class[names[c]] = summary.per_class[c];
  return {{"mean", summary.mean}, {"per_class", std::move(per_class)}};
}

/// The shortest text that reads back to the same double, the same in every locale.
std::string number(double value) { return nlohmann::json(value).dump(); }

}  // namespace

Evaluation::Evaluation(std::vector<std::string> class_names) : class_names_(std::move(class_names)) {
  if (class_names_.empty()) throw Error(ExitCode::kData, "an evaluation needs at least one class");
}

void Evaluation::add(const std::string& image, std::vector<ClassCounts> counts) {
  if (counts.size() != class_names_.size())
    throw Error(ExitCode::kData,
                "has counts of " + std::to_string(counts.size()) + " classes, but " +
                    std::to_string(class_names_.size()) + " are evaluated",
                image);
  const std::lock_guard lock(mutex_);
  if (!rows_.emplace(image, std::move(counts)).second)
    throw Error(ExitCode::kData, "was evaluated twice; image names must differ", image);
}

int Evaluation::images() const { return static_cast<int>(rows_.size()); }
Summary Evaluation::dice() const { return summarize(rows_, class_names_.size(), metrics::dice); }
Summary Evaluation::iou() const { return summarize(rows_, class_names_.size(), metrics::iou); }

nlohmann::ordered_json Evaluation::to_json() const {
  nlohmann::ordered_json result;
  result["images"] = images();
  result["dice"] = metrics::to_json(dice(), class_names_);
  result["iou"] = metrics::to_json(iou(), class_names_);
  result["per_image"] = nlohmann::ordered_json::array();
  for (const auto& [image, counts] : rows_)
    result["per_image"].push_back({{"image", image},
                                   {"dice", metrics::to_json(of_image(counts, metrics::dice), class_names_)},
                                   {"iou", metrics::to_json(of_image(counts, metrics::iou), class_names_)}});
  return result;
}

std::string Evaluation::to_csv() const {
  std::string text = "image_name,class,dice,iou,intersection,predicted,truth\n";
  for (const auto& [image, counts] : rows_)
    for (std::size_t c = 0; c < counts.size(); ++c)
      text += csv_field(image) + ',' + csv_field(class_names_[c]) + ',' + number(metrics::dice(counts[c])) + ',' +
              number(metrics::iou(counts[c])) + ',' + std::to_string(counts[c].intersection) + ',' +
              std::to_string(counts[c].predicted) + ',' + std::to_string(counts[c].truth) + '\n';
  return text;
}

}  // namespace osteon::metrics
