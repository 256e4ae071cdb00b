// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <mutex>
#include <optional>
#include <vector>

#include <opencv2/core.hpp>

#include "recipe/recipe.hpp"

/// Grey values of unlike exposures on one scale: `data.intensity` of a recipe. Detectors, exposures and what was done
/// to an image on its way give the same bone any grey; a network sees what it was trained on.
namespace osteon::data {

/// What a recipe asks for.
struct Intensity {
  enum class Kind {
    kFixed,       ///< 0..1 of the file's depth
    kPercentile,  ///< two percentiles of the image become 0 and 1, and what is beyond them too
    kZscore,      ///< mean 0 and standard deviation 1; what is beyond 4 deviations is cut
    kWindow       ///< two values on 0..1 of the file's depth become 0 and 1, and what is beyond them too
  };
  Kind kind = Kind::kFixed;
  double low = 0, high = 1;  ///< percentiles, 0..100, or the window, 0..1
  bool exposed = false;      ///< of the image without flat frames at its borders
};
Intensity intensity_of(const recipe::DataSection& data);

/// From 0..1 of the file's depth to the unit range that views have and augmentations work on:
/// min(max(value * scale + shift, 0), 1).
struct IntensityMap {
  double scale = 1, shift = 0;
  void apply(cv::Mat& pixels) const;  ///< float32, in place, any channels
};

/// From the unit range to what mean and standard deviation are subtracted from: value * spread + offset.
struct ModelScale {
  double spread = 1, offset = 0;
};
ModelScale model_scale(const Intensity& intensity);

/// What is known of the grey values of a source image as a whole. Of tiles, crops and turned copies of it too, which
/// know nothing of each other: so they take their map from here. Worked out when it is asked for, once. [any-thread]
class GreyStatistics {
 public:
  /// @param root  float32 0..1, 1 or 3 channels; shares its memory. Colour counts by its brightness.
  explicit GreyStatistics(cv::Mat root) : root_(std::move(root)) {}

  IntensityMap map(const Intensity& intensity) const;

 private:
  static constexpr int kBins = 65536;
  /// Pixels of each value of 16 bits.
  const std::vector<std::int64_t>& histogram(bool exposed) const;

  cv::Mat root_;
  mutable std::mutex mutex_;
  mutable std::array<std::vector<std::int64_t>, 2> histograms_;  // of all, of what is exposed
};

/// 255 where a pixel counts, 0 in flat frames: areas that touch the border, whose greys lie within 2 of 255 of one
/// value, and that cover at least 0.5 % of the image. So are burnt-in borders, and what lies beyond a collimator,
/// tilted or not. The whole image counts where less than a tenth of it would be left.
/// @param grey  CV_8U
cv::Mat exposed_area(const cv::Mat& grey);

}  // namespace osteon::data
