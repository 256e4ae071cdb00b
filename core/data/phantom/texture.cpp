// SPDX-License-Identifier: Apache-2.0
#include "data/phantom/texture.hpp"

#include <opencv2/imgproc.hpp>

namespace osteon::data::phantom {
namespace {

cv::Mat unit_deviation(const cv::Mat& noise) {
  cv::Scalar mean, deviation;
  cv::meanStdDev(noise, mean, deviation);
  return (noise - mean[0]) / deviation[0];
}

cv::Mat strands(int tile, std::uint64_t seed, double across, double along) {
  constexpr int kRim = 48;  // four deviations of the widest blur; wrapped, so that the tile repeats without a seam
  cv::Mat padded, blurred;
  cv::copyMakeBorder(white_noise({tile, tile}, seed), padded, kRim, kRim, kRim, kRim, cv::BORDER_WRAP);
  cv::GaussianBlur(padded, blurred, {}, across, along);
  return unit_deviation(blurred(cv::Rect(kRim, kRim, tile, tile)));
}

}  // namespace

cv::Mat white_noise(cv::Size size, std::uint64_t seed) {
  cv::Mat noise(size, CV_32FC1);
  cv::RNG random(seed | 1);  // 0 would be replaced by OpenCV's default seed
  random.fill(noise, cv::RNG::NORMAL, 0.0, 1.0);
  return noise;
}

cv::Mat smooth_noise(cv::Size size, int cells, std::uint64_t seed) {
  cv::Mat noise;
  cv::resize(white_noise({cells + 3, cells + 3}, seed), noise, size, 0, 0, cv::INTER_CUBIC);
  return noise;
}

TrabecularTexture::TrabecularTexture(std::uint64_t seed) {
  // Struts are where either of two families is dense; the maximum of two fields makes a net, their sum would make fog.
  const cv::Mat lengthwise = strands(kTile, seed * 4 + 1, 1.5, 4.2);
  const cv::Mat crosswise = strands(kTile, seed * 4 + 2, 2.2, 1.5);
  const cv::Mat patches = strands(kTile, seed * 4 + 3, 9.0, 12.0);
  cv::Mat net;
  cv::max(lengthwise, 0.8 * crosswise, net);
  tile_ = unit_deviation(unit_deviation(net) + 0.35 * patches);
}

}  // namespace osteon::data::phantom
