// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>

namespace osteon::validate {

/// A derivative that is claimed, and how well it can be measured.
struct Slope {
  double claimed = 0;        ///< d value / d step, at step 0
  double scale = 0;          ///< size of a usual derivative of this kind: what the tolerance is relative to
  double noise = 0;          ///< rounding of a single value
  double first_step = 1e-3;  ///< tried first; four smaller ones follow, each a quarter of the one before
  double tolerance = 0.05;
};

/// Compares with central differences, (value(h) - value(-h)) / 2h.
///
/// No one step is right for all functions: a small one drowns in float32's rounding, a large one runs over kinks (a
/// ReLU) and bends (a normalisation over few values). So a claim passes when any step agrees with it. It is wrong when
/// the two neighbouring steps that agree best with each other leave no room for it: the claim is further away than
/// twice what they differ by. Else nothing can be told.
enum class SlopeVerdict { kAgrees, kDiffers, kUnsettled };
SlopeVerdict compare_slope(const Slope& slope, const std::function<double(double step)>& value, std::string* detail);

}  // namespace osteon::validate
