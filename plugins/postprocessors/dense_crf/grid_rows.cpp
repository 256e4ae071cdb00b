// SPDX-License-Identifier: Apache-2.0
#include "grid_rows.hpp"

#include <algorithm>

namespace osteon::dense_crf {
namespace {

// The vertices around the pixels of a segment, and the share that each pixel has of them. With the row of vertices
// interpolated beforehand, four are left of eight.
struct Cells {
  std::int32_t at[kTile];  // of the vertex before and below, among columns x levels
  float before[kTile], behind[kTile], before_up[kTile], behind_up[kTile];
};

OSTEON_INLINE void find_cells(const SegmentPlace& in, Cells& out) {
  const std::int32_t first_level = in.first_level, levels = in.level_count, first_column = in.column[0];
  OSTEON_VECTOR_LOOP
  for (std::int64_t i = 0; i < in.count; ++i) {
    const auto level = static_cast<std::int32_t>(in.level[i]);
    out.at[i] = (in.column[i] - first_column) * levels + level - first_level;
    const float up = in.level[i] - static_cast<float>(level), behind = in.column_share[i] * in.weight[i];
    const float before = in.weight[i] - behind;
    out.before_up[i] = before * up;
    out.before[i] = before - out.before_up[i];
    out.behind_up[i] = behind * up;
    out.behind[i] = behind - out.behind_up[i];
  }
}

OSTEON_MULTIVERSION void splat_levels(const SegmentPlace& in, const Lanes* values, Lanes* work, Lanes* above,
                                      Lanes* below) {
  Cells cells;
  find_cells(in, cells);
  const std::int64_t levels = in.level_count, columns = in.columns();
  fill_zero(work, columns * levels);
  for (std::int64_t i = 0; i < in.count; ++i) {
    Lanes* before = work + cells.at[i];
    Lanes* behind = before + levels;
    const Lanes value = values[i];
    before[0] += value * cells.before[i];
    before[1] += value * cells.before_up[i];
    behind[0] += value * cells.behind[i];
    behind[1] += value * cells.behind_up[i];
  }
  for (std::int64_t c = 0; c < columns; ++c) {
    const std::int64_t offset = (in.first_column() + c) * in.levels + in.first_level;
    for (std::int64_t l = 0; l < levels; ++l) {
      const Lanes value = work[c * levels + l];
      const Lanes lower = value * in.row_share;
      above[offset + l] += value - lower;
      below[offset + l] += lower;
    }
  }
}

OSTEON_MULTIVERSION void slice_levels(const SegmentPlace& in, const Lanes* above, const Lanes* below, Lanes* work,
                                      Lanes* sums) {
  Cells cells;
  find_cells(in, cells);
  const std::int64_t levels = in.level_count, columns = in.columns();
  for (std::int64_t c = 0; c < columns; ++c) {
    const std::int64_t offset = (in.first_column() + c) * in.levels + in.first_level;
    for (std::int64_t l = 0; l < levels; ++l) {
      const Lanes upper = above[offset + l];
      work[c * levels + l] = upper + (below[offset + l] - upper) * in.row_share;
    }
  }
  for (std::int64_t i = 0; i < in.count; ++i) {
    const Lanes* before = work + cells.at[i];
    const Lanes* behind = before + levels;
    sums[i] += before[0] * cells.before[i] + before[1] * cells.before_up[i] + behind[0] * cells.behind[i] +
               behind[1] * cells.behind_up[i];
  }
}

OSTEON_MULTIVERSION void splat_plain(const SegmentPlace& in, const Lanes* values, Lanes* work, Lanes* above,
                                     Lanes* below) {
  const std::int64_t columns = in.columns();
  fill_zero(work, columns);
  for (std::int64_t i = 0; i < in.count; ++i) {
    Lanes* before = work + (in.column[i] - in.column[0]);
    const Lanes value = values[i] * in.weight[i];
    const Lanes behind = value * in.column_share[i];
    before[0] += value - behind;
    before[1] += behind;
  }
  above += in.first_column();
  below += in.first_column();
  for (std::int64_t c = 0; c < columns; ++c) {
    const Lanes lower = work[c] * in.row_share;
    above[c] += work[c] - lower;
    below[c] += lower;
  }
}

OSTEON_MULTIVERSION void slice_plain(const SegmentPlace& in, const Lanes* above, const Lanes* below, Lanes* work,
                                     Lanes* sums) {
  const std::int64_t columns = in.columns();
  above += in.first_column();
  below += in.first_column();
  for (std::int64_t c = 0; c < columns; ++c) work[c] = above[c] + (below[c] - above[c]) * in.row_share;
  for (std::int64_t i = 0; i < in.count; ++i) {
    const Lanes* before = work + (in.column[i] - in.column[0]);
    sums[i] += (before[0] + (before[1] - before[0]) * in.column_share[i]) * in.weight[i];
  }
}

OSTEON_MULTIVERSION void sum_taps_of(const Lanes* const* sources, const float* taps, std::int64_t count, Lanes* out) {
  const Lanes *a = sources[0], *b = sources[1], *c = sources[2], *d = sources[3], *e = sources[4], *f = sources[5],
              *g = sources[6], *h = sources[7], *i = sources[8], *j = sources[9], *k = sources[10];
  for (std::int64_t n = 0; n < count; ++n)
    out[n] = f[n] * taps[0] + (e[n] + g[n]) * taps[1] + (d[n] + h[n]) * taps[2] + (c[n] + i[n]) * taps[3] +
             (b[n] + j[n]) * taps[4] + (a[n] + k[n]) * taps[5];
}

OSTEON_MULTIVERSION void add_all(const Lanes* from, std::int64_t count, Lanes* to) {
  for (std::int64_t i = 0; i < count; ++i) to[i] += from[i];
}

OSTEON_MULTIVERSION void raise_all(const Lanes* values, std::int64_t count, Lanes& most) {
  Lanes greatest = most;
  for (std::int64_t i = 0; i < count; ++i) greatest = greater(values[i], greatest);
  most = greatest;
}

}  // namespace

void splat_segment(const SegmentPlace& in, const Lanes* values, Lanes* work, Lanes* above, Lanes* below) {
  (in.level != nullptr ? splat_levels : splat_plain)(in, values, work, above, below);
}

void slice_segment(const SegmentPlace& in, const Lanes* above, const Lanes* below, Lanes* work, Lanes* sums) {
  (in.level != nullptr ? slice_levels : slice_plain)(in, above, below, work, sums);
}

void sum_taps(const Lanes* const (&sources)[2 * Axis::kReach + 1], const float (&taps)[Axis::kReach + 1],
              std::int64_t count, Lanes* out) {
  sum_taps_of(sources, taps, count, out);
}

void add_lanes(const Lanes* from, std::int64_t count, Lanes* to) { add_all(from, count, to); }

void raise_to_greatest(const Lanes* values, std::int64_t count, Lanes& most) { raise_all(values, count, most); }

}  // namespace osteon::dense_crf
