// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <opencv2/core.hpp>

#include "plugin/augmentation.hpp"
#include "plugin/call.hpp"

namespace osteon::data {

/// What a matrix does to the picture, in this order: mirrors left and right, scales and shears, turns, shifts.
struct Motion {
  bool mirrored = false;
  double scale_x = 1, scale_y = 1;
  double shear = 0;                 ///< degrees that vertical lines lean to the right at their lower end
  double angle = 0;                 ///< degrees, counter-clockwise
  double shift_x = 0, shift_y = 0;  ///< of the input's centre from the output's, px
};

/// A warp that was drawn, as far as the ABI tells of it.
struct DrawnWarp {
  std::uint32_t kind = OSTEON_WARP_IDENTITY;
  cv::Size input, output;        ///< px
  std::optional<Motion> motion;  ///< of what has a matrix that can be inverted
  /// Free ones: how far pixels lie from where they come from, px, on a grid of at most 64 x 64 points.
  double mean_move = 0, greatest_move = 0;
};

/// A step that ran on a sample, and what it drew.
struct AppliedStep {
  std::string path;                 ///< as recipes write it: "augment[1].steps[0]"
  std::string plugin;               ///< its name
  std::optional<DrawnWarp> warp;    ///< of a geometric one
  std::vector<plugin::Note> notes;  ///< what it said of its draw
};

DrawnWarp describe(const plugin::Augmentation::Warp& warp, cv::Size input);

}  // namespace osteon::data
