// SPDX-License-Identifier: Apache-2.0
#include "grid.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include <osteon/sdk/parallel.hpp>

#include "grid_channels.hpp"

namespace osteon::dense_crf {
namespace {

// In sigmas, with 11 taps. Over crops of radiographs a bilateral grid of 0.6 is 0.0004 from the definition in mean
// probability, one of 0.67 is 0.0005, and one of 1.1 with 3 taps 0.003. Of place alone it matters less, and vertices
// are many.
constexpr double kPlaceSpacing = 0.67, kBilateralSpacing = 0.6;

}  // namespace

Grid::Grid(const Tiling& tiling, double sigma) : Grid(tiling, sigma, kPlaceSpacing) {}

Grid::Grid(const Tiling& tiling, double sigma, double spacing)
    : tiling_(tiling),
      y_(pixel_axis(sigma, spacing, tiling.height)),
      x_(pixel_axis(sigma, spacing, tiling.width)),
      rows_(y_, tiling.height),
      columns_(x_, tiling.width) {}

Grid::Grid(const sdk::Call& call, const Tiling& tiling, double sigma, const Intensities& intensities,
           double intensity_sigma)
    : Grid(tiling, sigma, kBilateralSpacing) {
  const float base = intensities.least;
  level_ = value_axis(intensity_sigma, kBilateralSpacing,
                      static_cast<double>(intensities.greatest) - static_cast<double>(base));
  levels_ = level_.vertices;
  level_of_ = call.allocate<float>({tiling.stored()});
  tile_levels_.resize(static_cast<std::size_t>(tiling.tiles()));
  segment_levels_.resize(static_cast<std::size_t>(tiling.tiles() * kTile));
  float* level_of = level_of_.data<float>();
  const auto scale = static_cast<float>(1 / level_.spacing);
  const float last = std::nextafter(static_cast<float>(levels_ - 1), 0.0f);  // rounding must not lead beyond
  sdk::parallel_for(call, tiling.tiles(), [&](std::int64_t t, int) {
    const Tile tile = tiling[t];
    LevelRange all;
    for (std::int64_t row = 0; row < tile.height; ++row) {
      const Segment segment = tile.row(row);
      const float* from = intensities.of_pixels + segment.y * tiling.width + segment.x;
      float low = last, high = 0;
      for (std::int64_t i = 0; i < segment.count; ++i) {
        const float level = std::min((from[i] - base) * scale, last);
        level_of[segment.at + i] = level;
        low = std::min(low, level);
        high = std::max(high, level);
      }
      const auto first = static_cast<std::int32_t>(low), end = static_cast<std::int32_t>(high) + 2;
      segment_levels_[static_cast<std::size_t>(t * kTile + row)] = {first, end - first};
      const std::int32_t all_end = row == 0 ? end : std::max(end, all.first + all.count);
      all.first = row == 0 ? first : std::min(first, all.first);
      all.count = all_end - all.first;
    }
    tile_levels_[static_cast<std::size_t>(t)] = all;
  });
}

std::unique_ptr<Channels> Grid::channels(const sdk::Call& call, std::int64_t most) const {
  return std::make_unique<GridChannels>(call, *this, most);
}

std::vector<float> Grid::along(Side side, const std::vector<float>& values) const {
  const Axis& axis = side == Side::kHeight ? y_ : x_;
  const AxisPlaces& places = side == Side::kHeight ? rows_ : columns_;
  std::vector<double> sums(static_cast<std::size_t>(axis.vertices + 2 * Axis::kReach));  // with room for the taps
  for (std::size_t i = 0; i < values.size(); ++i) {
    double* before = sums.data() + Axis::kReach + places.vertex[i];
    before[0] += double{values[i]} * (1 - double{places.share[i]});
    before[1] += double{values[i]} * double{places.share[i]};
  }
  std::vector<double> blurred(static_cast<std::size_t>(axis.vertices));
  for (std::size_t v = 0; v < blurred.size(); ++v)
    for (std::int64_t k = -Axis::kReach; k <= Axis::kReach; ++k)
      blurred[v] += double{axis.taps[std::abs(k)]} * sums[v + static_cast<std::size_t>(k + Axis::kReach)];
  std::vector<float> out;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double* before = blurred.data() + places.vertex[i];
    out.push_back(static_cast<float>(before[0] + (before[1] - before[0]) * double{places.share[i]}));
  }
  return out;
}

double grid_vertices(const Tiling& tiling, double sigma, double intensity_range, double intensity_sigma) {
  return static_cast<double>(pixel_axis(sigma, kBilateralSpacing, tiling.height).vertices) *
         static_cast<double>(pixel_axis(sigma, kBilateralSpacing, tiling.width).vertices) *
         (intensity_range / value_axis(intensity_sigma, kBilateralSpacing, 0).spacing + 2);
}

}  // namespace osteon::dense_crf
