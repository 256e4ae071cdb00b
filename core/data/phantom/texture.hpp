// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include <opencv2/core.hpp>

namespace osteon::data::phantom {

/// The grain of spongy bone: a net of struts, longer along the bone (y) than across. Mean about 0, deviation about 1.
class TrabecularTexture {
 public:
  explicit TrabecularTexture(std::uint64_t seed);

  /// Value at a place in atlas units, any place: the tile repeats without a seam.
  float at(float x, float y) const {
    return tile_.ptr<float>(static_cast<int>(y) & (kTile - 1))[static_cast<int>(x) & (kTile - 1)];
  }

 private:
  static constexpr int kTile = 512;

  cv::Mat tile_;  // CV_32FC1
};

/// CV_32FC1 white noise, standard normal. A function of the seed only.
cv::Mat white_noise(cv::Size size, std::uint64_t seed);

/// Smooth noise of about unit deviation whose blobs are `size / cells` pixels wide.
cv::Mat smooth_noise(cv::Size size, int cells, std::uint64_t seed);

}  // namespace osteon::data::phantom
