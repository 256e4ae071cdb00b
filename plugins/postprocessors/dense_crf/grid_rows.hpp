// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "axis.hpp"
#include "lanes.hpp"
#include "tiling.hpp"

/// The inner loops of a grid: one segment of pixels between two rows of vertices, and the blur. A row of vertices is
/// [columns][levels]; without intensities there is one level.
namespace osteon::dense_crf {

/// A segment's place in a grid.
struct SegmentPlace {
  std::int64_t count = 0;
  const std::int32_t* column = nullptr;           ///< of each pixel, the one before it
  const float* column_share = nullptr;            ///< of the one behind it
  const float* level = nullptr;                   ///< of each pixel, in spacings; null: one level
  std::int32_t first_level = 0, level_count = 1;  ///< vertices that these pixels have a share of
  std::int64_t levels = 1;                        ///< of the grid
  float row_share = 0;                            ///< of the row of vertices below the segment
  const float* weight = nullptr;                  ///< of each pixel

  std::int64_t first_column() const noexcept { return column[0]; }
  std::int64_t columns() const noexcept { return column[count - 1] - column[0] + 2; }
};

/// Adds values to the rows above and below, from the segment's first column on. `work` has room for twice
/// SegmentPlace::columns() * levels.
void splat_segment(const SegmentPlace&, const Lanes* values, Lanes* work, Lanes* above, Lanes* below);
/// Adds what is interpolated between two rows, from the segment's first column on, to `sums`.
void slice_segment(const SegmentPlace&, const Lanes* above, const Lanes* below, Lanes* work, Lanes* sums);

/// out[i] = sum over k in -5 .. 5 of taps[|k|] sources[5 + k][i].
void sum_taps(const Lanes* const (&sources)[2 * Axis::kReach + 1], const float (&taps)[Axis::kReach + 1],
              std::int64_t count, Lanes* out);
/// to[i] += from[i].
void add_lanes(const Lanes* from, std::int64_t count, Lanes* to);
/// Raises `most` to the greatest of `count` values.
void raise_to_greatest(const Lanes* values, std::int64_t count, Lanes& most);

}  // namespace osteon::dense_crf
