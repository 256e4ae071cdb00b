// SPDX-License-Identifier: Apache-2.0
#include "validate/harness/finite_difference.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

namespace osteon::validate {

SlopeVerdict compare_slope(const Slope& slope, const std::function<double(double step)>& value, std::string* detail) {
  const double scale = std::max(slope.scale, std::abs(slope.claimed));
  const double tolerance = slope.tolerance * scale;
  double previous = std::numeric_limits<double>::quiet_NaN();
  double best = previous, doubt = std::numeric_limits<double>::infinity();
  double h = slope.first_step;
  for (int i = 0; i < 5; ++i, h /= 4) {
    const double rounding = slope.noise / h;
    // At steps this small anything would pass.
    if (i > 0 && rounding > 0.1 * scale) break;
    const double measured = (value(h) - value(-h)) / (2 * h);
    if (std::abs(measured - slope.claimed) <= tolerance + rounding) return SlopeVerdict::kAgrees;
    const double apart = std::abs(measured - previous) + rounding;
    if (apart < doubt) {
      doubt = apart;
      best = measured;
    }
    previous = measured;
  }
  if (std::isnan(best)) {
    best = previous;
    doubt = scale;
  }
  *detail = fmt::format("the gradient says {:.6g}, finite differences say {:.6g} to within {:.2g}", slope.claimed, best,
                        tolerance + 2 * doubt);
  return std::abs(best - slope.claimed) > tolerance + 2 * doubt ? SlopeVerdict::kDiffers : SlopeVerdict::kUnsettled;
}

}  // namespace osteon::validate
