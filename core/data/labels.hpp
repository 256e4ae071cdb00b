// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <opencv2/core.hpp>

namespace osteon::data {

/// How the classes of a data set relate.
enum class LabelKind {
  kMultilabel,  ///< classes may overlap; one sigmoid per class
  kMulticlass,  ///< exactly one class per pixel; softmax and arg max
};

/// Number of 32-bit planes that hold `classes` bits per pixel.
constexpr int plane_count(int classes) noexcept { return (classes + 31) / 32; }

/// Labels of one image as bit planes: class c is bit c % 32 of plane c / 32.
///
/// 29 overlapping classes at 2048 x 2048 take 17 MB this way, 122 MB as bytes, 487 MB as floats. Planes are
/// CV_32SC1 (OpenCV and LibTorch have no uint32): bit 31 is a class, so shift unsigned.
class Labels {
 public:
  Labels() = default;
  /// All classes empty, every pixel valid.
  Labels(int classes, cv::Size size);
  /// Planes of undefined content, for who writes all of them.
  static Labels undefined(int classes, cv::Size size);

  int classes() const noexcept { return classes_; }
  cv::Size size() const noexcept { return size_; }
  bool empty() const noexcept { return planes_.empty(); }

  std::vector<cv::Mat>& planes() noexcept { return planes_; }
  const std::vector<cv::Mat>& planes() const noexcept { return planes_; }

  /// CV_8UC1, 1 where the label is known, 0 where the pixel is to be ignored. Empty: every pixel is valid.
  cv::Mat& valid() noexcept { return valid_; }
  const cv::Mat& valid() const noexcept { return valid_; }

  /// Whether it is known what the image has of class `c`. Where nobody knows, its bits are 0 and mean nothing.
  bool knows(int c) const { return class_valid_.empty() || class_valid_[static_cast<std::size_t>(c)] != 0; }
  /// One for each class: 1 where it is known, else 0. Empty: all are.
  const std::vector<std::uint8_t>& class_valid() const noexcept { return class_valid_; }
  /// Throws Error(kData) for another number of classes. All 1 becomes empty.
  void set_class_valid(std::vector<std::uint8_t> valid);

  /// Sets class `c` where `mask` (CV_8UC1, same size) is not zero. Other classes stay.
  void add(int c, const cv::Mat& mask);
  /// CV_8UC1, 255 where class `c` is set.
  cv::Mat mask(int c) const;
  /// Number of pixels of each class.
  std::vector<std::int64_t> areas() const;

 private:
  int classes_ = 0;
  cv::Size size_;
  std::vector<cv::Mat> planes_;
  cv::Mat valid_;
  std::vector<std::uint8_t> class_valid_;
};

/// Names of the classes of a data set, in channel order, and how they relate.
struct ClassSet {
  LabelKind kind = LabelKind::kMultilabel;
  std::vector<std::string> names;
  /// Left-right pairs that exchange their meaning when an image is mirrored: `mirrored[c]` is the class that c becomes.
  /// Empty: every class stays itself (a mirrored right hand is a left hand with the same bones).
  std::vector<int> mirrored;
};

}  // namespace osteon::data
