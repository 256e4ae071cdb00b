// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "axis.hpp"
#include "filter.hpp"

namespace osteon::dense_crf {

/// Of an image.
struct Intensities {
  const float* of_pixels = nullptr;  ///< [height, width]
  float least = 0, greatest = 0;     ///< none is beyond
};

/// A Gaussian of place alone, or of place and one intensity, on a grid of vertices (x, y, intensity): linear splat,
/// blur along the axes, linear slice.
///
/// J. Chen, S. Paris, F. Durand, "Real-time edge-aware image processing with the bilateral grid", SIGGRAPH 2007.
class Grid final : public Filter {
 public:
  /// Of place alone.
  Grid(const Tiling&, double sigma);
  /// @param intensity_sigma  in their unit
  Grid(const sdk::Call&, const Tiling&, double sigma, const Intensities&, double intensity_sigma);

  std::unique_ptr<Channels> channels(const sdk::Call&, std::int64_t most) const override;
  std::int64_t most_parts() const override { return 16; }
  bool separable() const noexcept override { return tile_levels_.empty(); }
  std::vector<float> along(Side, const std::vector<float>& values) const override;
  std::int64_t vertices() const noexcept { return y_.vertices * x_.vertices * levels_; }

 private:
  class GridChannels;
  Grid(const Tiling&, double sigma, double spacing);
  struct LevelRange {
    std::int32_t first = 0, count = 1;  ///< vertices that some pixels have a share of
  };

  Tiling tiling_;
  Axis y_, x_, level_;
  AxisPlaces rows_, columns_;
  std::int64_t levels_ = 1;
  sdk::OwnedTensor level_of_;                             ///< of each pixel, in spacings; empty without intensities
  std::vector<LevelRange> tile_levels_, segment_levels_;  ///< likewise
};

/// How many vertices a grid of these would have. A number that no memory holds is still one.
double grid_vertices(const Tiling&, double sigma, double intensity_range, double intensity_sigma);

}  // namespace osteon::dense_crf
