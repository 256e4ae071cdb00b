// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
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
/// whole: flips and their like move pixels exactly. Threads of the call work on pieces of some rows each; nothing that
/// is as large as the image is made beside the results. Thread-safe; what an image becomes does not depend on threads.
class WarpChain {
 public:
  explicit WarpChain(cv::Size input) : input_(input), output_(input) {}

  bool empty() const noexcept { return stages_.empty(); }
  cv::Size output() const noexcept { return output_; }
  /// The warp lives until the chain dies: end of the sample.
  void add(const plugin::Augmentation::Warp* warp);
  void clear(cv::Size input);

  /// Whether all steps move pixels onto pixels, from inside of their inputs: nothing is lost by resampling now.
  bool exact() const noexcept;
  /// Whether both are the same drawn steps on inputs of the same size.
  bool same_as(const WarpChain& other) const noexcept;

  /// Bilinear (float32, rounded to nearest), any number of channels, CV_8U, CV_16U or CV_32F; exact where the chain is.
  /// Outside is the fill of the step that left it, `maximum` being the greatest intensity.
  cv::Mat resample(const plugin::Call& call, const cv::Mat& image, double maximum) const;
  /// Nearest, exact for every bit pattern, with the steps' exchanges of classes. Outside has no class, or is invalid.
  Labels resample(const plugin::Call& call, const Labels& labels) const;
  /// Both, following each point once.
  void resample(const plugin::Call& call, cv::Mat& image, double maximum, Labels& labels) const;
  /// Boxes around what the last step gives of labels whose boxes in the first input these are: larger than they need be
  /// perhaps, never smaller. Nothing when a step is free, for which only a resample() tells.
  std::optional<ClassBoxes> boxes(const ClassBoxes& of_input) const;

 private:
  struct Stage {
    const plugin::Augmentation::Warp* warp;
    cv::Size input;
    bool stays_inside;  ///< it moves pixels onto pixels, from inside of its input alone
  };
  struct Given {
    const cv::Mat* image;  ///< or null
    double maximum;
    const Labels* labels;  ///< or null
  };
  struct Made {
    cv::Mat image;
    Labels labels;
  };
  struct Piece;

  std::array<int, 6> permutation() const;
  std::vector<int> class_sources(int classes) const;
  /// Where the points of the piece, the first of which is the output's pixel number `first`, lie in the input, and the
  /// stages that they left.
  void trace(std::int64_t first, Piece& piece) const;
  void resample_piece(std::int64_t first, const Given& given, Piece& piece, Made& made) const;
  Made resample_all(const plugin::Call& call, const Given& given) const;

  std::vector<Stage> stages_;
  cv::Size input_, output_;
};

}  // namespace osteon::data
