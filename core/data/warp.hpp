// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include <opencv2/core.hpp>

#include "data/class_boxes.hpp"
#include "data/labels.hpp"
#include "plugin/augmentation.hpp"

namespace osteon::data {

/// Geometric steps in a row, from the first input to the last output, resampled once.
///
/// A point of the output goes back through the steps, last first; after each it is folded into that step's input by the
/// step's border, or marked as outside. Points are float32, matrices are applied in double, and whole coordinates stay
/// whole: flips and their like move pixels exactly.
class WarpChain {
 public:
  explicit WarpChain(cv::Size input) : input_(input), output_(input) {}

  bool empty() const noexcept { return stages_.empty(); }
  cv::Size output() const noexcept { return output_; }
  /// The warp lives until the chain dies: end of the sample.
  void add(const plugin::Augmentation::Warp* warp);
  void clear(cv::Size input);

  /// Bilinear; nearest where every step is a permutation. Any depth; outside is the fill of the step that left it.
  cv::Mat resample(const cv::Mat& image, double maximum) const;
  /// Nearest, exact for every bit pattern, with the steps' exchanges of classes. Outside has no class, or is invalid.
  Labels resample(const Labels& labels) const;
  /// Boxes around what the last step gives of labels whose boxes in the first input these are: larger than they need be
  /// perhaps, never smaller. Nothing when a step is free, for which only a resample() tells.
  std::optional<ClassBoxes> boxes(const ClassBoxes& of_input) const;

 private:
  struct Stage {
    const plugin::Augmentation::Warp* warp;
    cv::Size input, output;
  };
  /// Rows first .. first + count of the output: where each point lies in the input, and in `outside` the stage that it
  /// left, or -1.
  void trace(int first, int count, float* xy, std::vector<std::int16_t>& outside) const;

  std::vector<Stage> stages_;
  cv::Size input_, output_;
};

}  // namespace osteon::data
