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

// Pixels add to the same few vertices one after the other, and each addition waits for the one before it: every second
// pixel adds to vertices of its own.
struct SplatLevels {
  template <class V>
  static OSTEON_INLINE void run(const SegmentPlace* place, const Lanes* from, Lanes* room, Lanes* above_row,
                                Lanes* below_row) {
    const SegmentPlace& in = *place;
    Cells cells;
    find_cells(in, cells);
    const std::int64_t levels = in.level_count, columns = in.columns(), size = columns * levels;
    const V* values = as<V>(from);
    V *even = as<V>(room), *odd = even + size;
    for (std::int64_t v = 0; v < 2 * size; ++v) even[v] = V{};
    const auto add = [&](std::int64_t i, V* work) OSTEON_INLINE_LAMBDA {
      V* before = work + cells.at[i];
      V* behind = before + levels;
      const V value = values[i];
      before[0] += value * cells.before[i];
      before[1] += value * cells.before_up[i];
      behind[0] += value * cells.behind[i];
      behind[1] += value * cells.behind_up[i];
    };
    std::int64_t i = 0;
    for (; i + 1 < in.count; i += 2) {
      add(i, even);
      add(i + 1, odd);
    }
    if (i < in.count) add(i, even);
    V *above = as<V>(above_row), *below = as<V>(below_row);
    for (std::int64_t c = 0; c < columns; ++c) {
      const std::int64_t offset = c * in.levels + in.first_level;
      for (std::int64_t l = 0; l < levels; ++l) {
        const V value = even[c * levels + l] + odd[c * levels + l];
        const V lower = value * in.row_share;
        above[offset + l] += value - lower;
        below[offset + l] += lower;
      }
    }
  }
};

struct SliceLevels {
  template <class V>
  static OSTEON_INLINE void run(const SegmentPlace* place, const Lanes* above_row, const Lanes* below_row, Lanes* room,
                                Lanes* out) {
    const SegmentPlace& in = *place;
    Cells cells;
    find_cells(in, cells);
    const std::int64_t levels = in.level_count, columns = in.columns();
    const V *above = as<V>(above_row), *below = as<V>(below_row);
    V *work = as<V>(room), *sums = as<V>(out);
    for (std::int64_t c = 0; c < columns; ++c) {
      const std::int64_t offset = c * in.levels + in.first_level;
      for (std::int64_t l = 0; l < levels; ++l) {
        const V upper = above[offset + l];
        work[c * levels + l] = upper + (below[offset + l] - upper) * in.row_share;
      }
    }
    for (std::int64_t i = 0; i < in.count; ++i) {
      const V* before = work + cells.at[i];
      const V* behind = before + levels;
      sums[i] += before[0] * cells.before[i] + before[1] * cells.before_up[i] + behind[0] * cells.behind[i] +
                 behind[1] * cells.behind_up[i];
    }
  }
};

// The sums of two columns stay in registers until a pixel lies beyond them.
struct SplatPlain {
  template <class V>
  static OSTEON_INLINE void run(const SegmentPlace* place, const Lanes* from, Lanes*, Lanes* above_row,
                                Lanes* below_row) {
    const SegmentPlace& in = *place;
    const V* values = as<V>(from);
    V *above = as<V>(above_row), *below = as<V>(below_row);
    const auto add = [&](std::int64_t column, const V& value) OSTEON_INLINE_LAMBDA {
      const V lower = value * in.row_share;
      above[column] += value - lower;
      below[column] += lower;
    };
    V here = V{}, next = V{};
    std::int32_t column = in.column[0];
    for (std::int64_t i = 0; i < in.count; ++i) {
      if (in.column[i] != column) {
        add(column - in.column[0], here);
        here = next;
        next = V{};
        column = in.column[i];
      }
      const float behind = in.column_share[i] * in.weight[i];
      here += values[i] * (in.weight[i] - behind);
      next += values[i] * behind;
    }
    add(column - in.column[0], here);
    add(column - in.column[0] + 1, next);
  }
};

struct SlicePlain {
  template <class V>
  static OSTEON_INLINE void run(const SegmentPlace* place, const Lanes* above_row, const Lanes* below_row, Lanes*,
                                Lanes* out) {
    const SegmentPlace& in = *place;
    const V *above = as<V>(above_row), *below = as<V>(below_row);
    V* sums = as<V>(out);
    const auto between = [&](std::int64_t column, V& value) OSTEON_INLINE_LAMBDA {
      value = above[column] + (below[column] - above[column]) * in.row_share;
    };
    std::int32_t column = in.column[0];
    V here, next;
    between(0, here);
    between(1, next);
    for (std::int64_t i = 0; i < in.count; ++i) {
      if (in.column[i] != column) {
        column = in.column[i];
        here = next;
        between(column - in.column[0] + 1, next);
      }
      const float behind = in.column_share[i] * in.weight[i];
      sums[i] += here * (in.weight[i] - behind) + next * behind;
    }
  }
};

struct SumTaps {
  template <class V>
  static OSTEON_INLINE void run(const Lanes* const* sources, const float* taps, std::int64_t count, Lanes* to) {
    const V *a = as<V>(sources[0]), *b = as<V>(sources[1]), *c = as<V>(sources[2]), *d = as<V>(sources[3]),
            *e = as<V>(sources[4]), *f = as<V>(sources[5]), *g = as<V>(sources[6]), *h = as<V>(sources[7]),
            *i = as<V>(sources[8]), *j = as<V>(sources[9]), *k = as<V>(sources[10]);
    V* out = as<V>(to);
    for (std::int64_t n = 0; n < count; ++n)
      out[n] = f[n] * taps[0] + (e[n] + g[n]) * taps[1] + (d[n] + h[n]) * taps[2] + (c[n] + i[n]) * taps[3] +
               (b[n] + j[n]) * taps[4] + (a[n] + k[n]) * taps[5];
  }
};

struct AddLanes {
  template <class V>
  static OSTEON_INLINE void run(const Lanes* from, std::int64_t count, Lanes* to) {
    for (std::int64_t i = 0; i < count; ++i) as<V>(to)[i] += as<V>(from)[i];
  }
};

struct RaiseToGreatest {
  template <class V>
  static OSTEON_INLINE void run(const Lanes* values, std::int64_t count, Lanes* most) {
    V greatest = *as<V>(most);
    for (std::int64_t i = 0; i < count; ++i) raise(greatest, as<V>(values)[i]);
    *as<V>(most) = greatest;
  }
};

}  // namespace

void splat_segment(const SegmentPlace& in, const Lanes* values, Lanes* work, Lanes* above, Lanes* below) {
  if (in.level != nullptr) return on_lanes<SplatLevels>(&in, values, work, above, below);
  on_lanes<SplatPlain>(&in, values, work, above, below);
}

void slice_segment(const SegmentPlace& in, const Lanes* above, const Lanes* below, Lanes* work, Lanes* sums) {
  if (in.level != nullptr) return on_lanes<SliceLevels>(&in, above, below, work, sums);
  on_lanes<SlicePlain>(&in, above, below, work, sums);
}

void sum_taps(const Lanes* const (&sources)[2 * Axis::kReach + 1], const float (&taps)[Axis::kReach + 1],
              std::int64_t count, Lanes* out) {
  on_lanes<SumTaps>(static_cast<const Lanes* const*>(sources), static_cast<const float*>(taps), count, out);
}

void add_lanes(const Lanes* from, std::int64_t count, Lanes* to) { on_lanes<AddLanes>(from, count, to); }

void raise_to_greatest(const Lanes* values, std::int64_t count, Lanes& most) {
  on_lanes<RaiseToGreatest>(values, count, &most);
}

}  // namespace osteon::dense_crf
