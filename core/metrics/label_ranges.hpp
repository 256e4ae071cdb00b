// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "metrics/label_shape.hpp"

namespace osteon::metrics {

/// Least and greatest of what was seen.
struct SeenRange {
  double least = 0, most = 0;
  std::int64_t count = 0;

  void add(double value);
  void add(const SeenRange& other);
};

/// What looks wrong with a prediction.
struct Implausible {
  std::string class_name;  ///< empty: it is about all of them
  std::string what;        ///< "area", "extent", "foreground", "overlaps" or "runs"
  double found = 0;
  double bound = 0;         ///< of what was seen: the greatest, of "overlaps" the least
  bool too_little = false;  ///< `found` is far below it, not above
  std::string text;         ///< "Radius covers 9.1 % of the image, in training at most 2.4 %"
};
nlohmann::json to_json(const Implausible& found);

/// How the labels of a data set lie in their images, and what of a prediction is far from it. A prediction is held
/// against the greatest that was seen, with room for what patients differ by and what a fair model gets wrong:
///
///  - a class that covers more than twice as much of the image;
///  - parts of a class that reach over more than twice as much of the image;
///  - a foreground, of all classes together, of more than 1.5 times as much;
///  - pixels of more than one class, as a share of the foreground's, that are less than a quarter of the least: a
///    chain that lets classes compete has none, where bones lie over each other in every image;
///  - runs (the competition's CSV) of more than twice as many characters for each row of the image.
class LabelRanges {
 public:
  /// @param runs  characters of an image's runs, of all classes
  void add(const std::vector<std::string>& classes, const LabelShape& shape, std::int64_t runs, int height);
  /// What was seen here or there.
  void add(const LabelRanges& other);
  bool empty() const noexcept { return foreground_.count == 0; }

  std::vector<Implausible> against(const std::vector<std::string>& classes, const LabelShape& shape, std::int64_t runs,
                                   int height) const;

  nlohmann::json to_json() const;
  static LabelRanges from_json(const nlohmann::json& json);

 private:
  struct OfClass {
    SeenRange area, parts, extent;
  };
  std::map<std::string, OfClass> classes_;
  SeenRange foreground_, overlap_, runs_per_row_;
};

}  // namespace osteon::metrics
