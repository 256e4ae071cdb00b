// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "metrics/confusion.hpp"

namespace osteon::metrics {

/// A figure per class, averaged over the images in which the class is known, and the mean of those over the classes:
/// the competition's order. NaN where there is nothing to average.
struct Summary {
  double mean = 0.0;
  std::vector<double> per_class;
};

/// Collects the counts of images and says what they come to. add() may be called from any thread; results do not depend
/// on the order in which images were added. The rest is for one thread, after the last add().
class Scores {
 public:
  explicit Scores(std::vector<std::string> class_names);

  /// Throws Error(kData) if `image` was added before or has another number of classes.
  void add(const std::string& image, std::vector<ClassCounts> counts);

  /// Images in which some class is known. The others, in which no pixel counts, are in no mean.
  int images() const;
  std::vector<std::string> left_out() const;
  /// In how many of them each class is known.
  std::vector<int> images_per_class() const;
  const std::vector<std::string>& class_names() const noexcept { return class_names_; }
  /// Counts by image name.
  const std::map<std::string, std::vector<ClassCounts>>& rows() const noexcept { return rows_; }

  /// Throw Error(kData) where there is no image, or no class is known in any.
  Summary dice() const;
  Summary iou() const;
  /// Of the areas of all images added up, per class, and their mean over the classes: how figures are published where
  /// images are not averaged. NaN for a class that is nowhere, neither predicted nor true; the mean leaves it out.
  Summary pooled_dice() const;
  Summary pooled_iou() const;

  /// `{"images": n, "left_out": [name], "images_per_class": {name: n}, "dice": {"mean", "per_class": {name: x}}, "iou":
  /// {...}, "pooled": {"dice": {...}, "iou": {...}}, "per_image": [{"image", "dice": {...}, "iou": {...}}]}`, classes
  /// in channel order, images by name; null where there is nothing to average.
  nlohmann::ordered_json to_json() const;
  /// RFC 4180: `image_name,class,dice,iou,intersection,predicted,truth`, a line per image and class; areas in pixels.
  /// All of these are empty for a class that is unknown in the image.
  std::string to_csv() const;

 private:
  std::vector<std::string> class_names_;
  mutable std::mutex mutex_;
  std::map<std::string, std::vector<ClassCounts>> rows_;
};

}  // namespace osteon::metrics
