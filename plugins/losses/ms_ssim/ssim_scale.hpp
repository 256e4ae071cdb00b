// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

/// SSIM of one class at one scale, and its derivative.
namespace osteon::losses {

/// Planes [height, width]: what is predicted, what is true, what each pixel counts (null: 1), and the derivative.
struct SsimPlanes {
  std::int64_t height, width;
  const float* p;
  const float* t;
  const float* weight;
  float* slope;  ///< gets d (mean * mass) / dp; null: not wanted
};

/// Over all places where the window lies in the image.
struct SsimMean {
  double sum = 0;   ///< of what the places count times their value
  double mass = 0;  ///< of what they count
};

/// Means and variances under the window are weighted by what the pixels count, and a place counts what the pixels under
/// it do: 1 without weights. Its value is contrast and structure, cs = (2 cov + C2) / (var_p + var_t + C2); at the last
/// scale times luminance, (2 m_p m_t + C1) / (m_p^2 + m_t^2 + C1).
///
/// Goes down the rows and keeps as many of each map as the window has taps. In double: variances are differences of
/// numbers near 1, beside C2.
class SsimScale {
 public:
  SsimScale(std::vector<double> window, std::int64_t width, bool last);

  /// Numbers that run() needs memory for.
  std::int64_t room() const;
  SsimMean run(const SsimPlanes& planes, double* memory) const;

 private:
  std::vector<double> window_;
  std::int64_t width_;
  bool last_;
};

/// Halves planes: means of 2 x 2 pixels by what they count, and what those count together, a fourth of it. A last odd
/// row or column is left out. `weight` null: all count 1, and `half_weight` is not written.
void halve(const SsimPlanes& planes, float* p, float* t, float* half_weight);

/// slope = scale slope + the way back through halve(): `half_slope` is the derivative of the halved p.
void add_halved_slope(const SsimPlanes& planes, const float* half_weight, const float* half_slope, float scale);

}  // namespace osteon::losses
