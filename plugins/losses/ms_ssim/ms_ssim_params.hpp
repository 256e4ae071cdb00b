// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

#include <osteon/sdk/loss.hpp>

/// What ms_ssim.cpp computes on the CPU and ms_ssim_expression.hpp by LibTorch elsewhere.
namespace osteon::losses {

inline constexpr std::uint32_t kMsSsimUnderstands =
    OSTEON_LOSS_PIXEL_WEIGHT | OSTEON_LOSS_CLASS_VALID | OSTEON_LOSS_SOFT_TARGET;

struct MsSsimParams {
  bool ignore_empty = false;
  std::vector<double> class_weight;

  static void schema(sdk::Schema<MsSsimParams>& s) {
    s.add("ignore_empty", &MsSsimParams::ignore_empty, "leave out classes that have no target pixel");
    s.add("class_weight", &MsSsimParams::class_weight, "weight of each class in the mean: one per class, or none for 1")
        .at_least(0);
  }
};

/// Wang et al., for values between 0 and 1: (0.01)^2 and (0.03)^2.
inline constexpr double kSsimC1 = 1e-4, kSsimC2 = 9e-4;
inline constexpr std::int64_t kSsimTaps = 11, kSsimScales = 5;

/// The window of one axis: a Gaussian of sigma 1.5 that adds up to 1. 11 taps, or as many as the image is wide.
inline std::vector<double> ssim_window(std::int64_t height, std::int64_t width) {
  const std::int64_t taps = std::min({kSsimTaps, height, width});
  constexpr double kSigma = 1.5;
  std::vector<double> window;
  double sum = 0;
  for (std::int64_t i = 0; i < taps; ++i) {
    const double off = (static_cast<double>(i) - static_cast<double>(taps - 1) / 2) / kSigma;
    window.push_back(std::exp(-off * off / 2));
    sum += window.back();
  }
  for (double& tap : window) tap /= sum;
  return window;
}

/// The exponents of the scales in which a window of 11 fits, one at least, from the finest: the published ones, or
/// fewer scaled to the sum of those.
inline std::vector<double> ssim_exponents(std::int64_t height, std::int64_t width) {
  constexpr std::array<double, kSsimScales> kPublished = {0.0448, 0.2856, 0.3001, 0.2363, 0.1333};
  constexpr double kSum = 1.0001;
  std::vector<double> exponents;
  double sum = 0;
  for (std::int64_t side = std::min(height, width); exponents.empty() || side >= kSsimTaps; side /= 2) {
    if (exponents.size() == kPublished.size()) break;
    exponents.push_back(kPublished[exponents.size()]);
    sum += exponents.back();
  }
  for (double& exponent : exponents) exponent *= exponents.size() == kPublished.size() ? 1 : kSum / sum;
  return exponents;
}

}  // namespace osteon::losses
