// SPDX-License-Identifier: Apache-2.0
#include "grid_channels.hpp"

#include <algorithm>

#include <osteon/sdk/parallel.hpp>

#include "grid_rows.hpp"

namespace osteon::dense_crf {
namespace {

constexpr std::int64_t kReach = Axis::kReach, kShared = 2;  // rows of vertices around a row of pixels

std::size_t index(std::int64_t i) { return static_cast<std::size_t>(i); }

}  // namespace

void Grid::GridChannels::Columns::extend(const Columns& by) noexcept {
  if (by.empty()) return;
  first = empty() ? by.first : std::min(first, by.first);
  end = std::max(end, by.end);
}

Grid::GridChannels::GridChannels(const sdk::Call& call, const Grid& grid, std::int64_t most)
    : grid_(grid), levels_(grid.levels_), row_size_(grid.x_.vertices * grid.levels_) {
  const std::int64_t rows = grid.y_.vertices, shared = kShared * most;
  sums_ = LaneBuffer(call, rows * row_size_);
  blurred_ = LaneBuffer(call, rows * row_size_);
  shared_ = LaneBuffer(call, shared * row_size_);
  zeros_ = LaneBuffer(call, row_size_);
  fill_zero(zeros_.data(), row_size_);
  used_.resize(index(rows));
  spread_.resize(index(rows));
  blurred_used_.resize(index(rows));
  shared_used_.resize(index(shared));
  const std::int64_t columns = std::min(grid.x_.vertices, static_cast<std::int64_t>(kTile / grid.x_.spacing) + 3);
  work_size_ = 2 * columns * levels_;
  work_ = LaneBuffer(call, most * work_size_);
  edge_ = LaneBuffer(call, most * work_size_);
  blur_work_size_ = (grid.x_.vertices + 2 * kReach) * levels_ + levels_ + 2 * kReach;
  blur_work_ = LaneBuffer(call, call.threads() * blur_work_size_);
}

void Grid::GridChannels::divide(const Parts& parts) {
  parts_.clear();
  std::int64_t above_end = 0;  // of the rows that the part above has a share of
  for (std::int64_t part = 0; part < parts.count(); ++part) {
    const std::int64_t first = grid_.rows_.vertex[index(parts.pixel_row(part, grid_.tiling_))];
    parts_.push_back({first, above_end});
    above_end = grid_.rows_.vertex[index(parts.pixel_row(part + 1, grid_.tiling_) - 1)] + 2;
  }
}

Grid::GridChannels::RowRef Grid::GridChannels::row_of(std::int64_t part, std::int64_t r) {
  const PartRows& rows = parts_[index(part)];
  if (r >= rows.shared_end) return {row(sums_, r), used_[index(r)]};
  const std::int64_t copy = part * kShared + r - rows.first;
  return {row(shared_, copy), shared_used_[index(copy)]};
}

SegmentPlace Grid::GridChannels::place(const Segment& segment, const float* weight) const {
  SegmentPlace in;
  in.count = segment.count;
  in.column = grid_.columns_.vertex.data() + segment.x;
  in.column_share = grid_.columns_.share.data() + segment.x;
  if (!grid_.tile_levels_.empty()) {
    in.level = static_cast<const float*>(grid_.level_of_.view().data) + segment.at;
    const LevelRange range = grid_.segment_levels_[index(segment.at / kTile)];
    in.first_level = range.first;
    in.level_count = range.count;
  }
  in.levels = levels_;
  in.row_share = grid_.rows_.share[index(segment.y)];
  in.weight = weight;
  return in;
}

// Of a row that splat() is about to add to: what it holds of these columns, 0 where it held nothing.
Lanes* Grid::GridChannels::hold(const RowRef& in, const Columns& columns) const {
  const auto clear = [&](std::int64_t from, std::int64_t to) {
    if (from < to) fill_zero(in.values + from * levels_, (to - from) * levels_);
  };
  if (in.used.empty()) {
    clear(columns.first, columns.end);
  } else {
    clear(columns.first, in.used.first);
    clear(in.used.end, columns.end);
  }
  in.used.extend(columns);
  return in.values + columns.first * levels_;
}

void Grid::GridChannels::splat(std::int64_t part, const Segment& segment, const float* weight, const Lanes* values) {
  const SegmentPlace in = place(segment, weight);
  const Columns columns{in.first_column(), in.first_column() + in.columns()};
  const std::int64_t r = grid_.rows_.vertex[index(segment.y)];
  Lanes *above = hold(row_of(part, r), columns), *below = hold(row_of(part, r + 1), columns);
  splat_segment(in, values, work_.data() + part * work_size_, above, below);
}

// These columns of a row that blur() has made: where they are, or in `room`, with 0 where nothing arrived.
const Lanes* Grid::GridChannels::arrived(std::int64_t r, const Columns& columns, Lanes* room) const {
  const Columns& used = blurred_used_[index(r)];
  const Lanes* values = row(blurred_, r);
  if (used.first <= columns.first && columns.end <= used.end) return values + columns.first * levels_;
  for (std::int64_t c = columns.first; c < columns.end; ++c) {
    Lanes* to = room + (c - columns.first) * levels_;
    if (used.first <= c && c < used.end)
      std::copy_n(values + c * levels_, levels_, to);
    else
      fill_zero(to, levels_);
  }
  return room;
}

void Grid::GridChannels::slice(std::int64_t part, const Segment& segment, const float* weight, Lanes* sums) const {
  const SegmentPlace in = place(segment, weight);
  const Columns columns{in.first_column(), in.first_column() + in.columns()};
  const std::int64_t r = grid_.rows_.vertex[index(segment.y)];
  Lanes* room = edge_.data() + part * work_size_;  // of two rows
  const Lanes *above = arrived(r, columns, room), *below = arrived(r + 1, columns, room + work_size_ / 2);
  slice_segment(in, above, below, work_.data() + part * work_size_, sums);
}

void Grid::GridChannels::raise_to_most(std::int64_t tile, Lanes& most) const {
  const Tile at = grid_.tiling_[tile];
  const std::int64_t first_column = grid_.columns_.vertex[index(at.x)],
                     end_column = grid_.columns_.vertex[index(at.x + at.width - 1)] + 2;
  const LevelRange levels = grid_.tile_levels_.empty() ? LevelRange{} : grid_.tile_levels_[index(tile)];
  for (std::int64_t r = grid_.rows_.vertex[index(at.y)]; r < grid_.rows_.vertex[index(at.y + at.height - 1)] + 2; ++r) {
    const Columns& used = blurred_used_[index(r)];
    const std::int64_t from = std::max(first_column, used.first), to = std::min(end_column, used.end);
    if (levels_ == 1 && from < to) raise_to_greatest(row(blurred_, r) + from, to - from, most);
    for (std::int64_t c = from; levels_ > 1 && c < to; ++c)
      raise_to_greatest(row(blurred_, r) + c * levels_ + levels.first, levels.count, most);
  }
}

// What rows hold is known of `used` columns alone; all else is never read, and needs no zeros but around these.
void Grid::GridChannels::blur(const sdk::Call& call) {
  const std::int64_t rows = grid_.y_.vertices;
  sdk::parallel_for(call, rows, [&](std::int64_t r, int) { take_shared(r); });
  for (std::int64_t r = 0; r < rows; ++r) {
    const Columns& used = used_[index(r)];
    spread_[index(r)] = used.empty() ? Columns{}
                                     : Columns{std::max<std::int64_t>(0, used.first - kReach),
                                               std::min(grid_.x_.vertices, used.end + kReach)};
  }
  for (std::int64_t r = 0; r < rows; ++r) blurred_used_[index(r)] = around(spread_, r);
  sdk::parallel_for(call, rows, [&](std::int64_t r, int thread) {
    blur_row(r, around(blurred_used_, r), blur_work_.data() + thread * blur_work_size_);
  });
  sdk::parallel_for(call, rows, [&](std::int64_t r, int) { blur_column(r); });
  std::fill(used_.begin(), used_.end(), Columns{});
}

// All columns of the rows that the blur along rows brings together.
Grid::GridChannels::Columns Grid::GridChannels::around(const std::vector<Columns>& of_rows, std::int64_t r) const {
  Columns all;
  for (std::int64_t k = std::max<std::int64_t>(0, r - kReach); k <= std::min(grid_.y_.vertices - 1, r + kReach); ++k)
    all.extend(of_rows[index(k)]);
  return all;
}

// Adds the copies that parts made of a row which belongs to a part above them.
void Grid::GridChannels::take_shared(std::int64_t r) {
  for (std::size_t part = 0; part < parts_.size(); ++part) {
    if (r < parts_[part].first || r >= parts_[part].shared_end) continue;
    const std::int64_t copy = static_cast<std::int64_t>(part) * kShared + r - parts_[part].first;
    Columns& used = shared_used_[index(copy)];
    if (used.empty()) continue;
    Lanes* to = hold({row(sums_, r), used_[index(r)]}, used);
    add_lanes(row(shared_, copy) + used.first * levels_, (used.end - used.first) * levels_, to);
    used = {};
  }
}

// Along intensities and columns, in place.
// @param wanted  columns that are read then: 0 where nothing arrives
void Grid::GridChannels::blur_row(std::int64_t r, const Columns& wanted, Lanes* work) {
  const Columns &before = used_[index(r)], &after = spread_[index(r)];
  Lanes* values = row(sums_, r);
  if (before.empty()) return fill_zero(values + wanted.first * levels_, (wanted.end - wanted.first) * levels_);
  const std::int64_t origin = after.first - kReach;  // the column that `work` begins with
  Lanes* level_work = work + (grid_.x_.vertices + 2 * kReach) * levels_;
  fill_zero(work, (before.first - origin) * levels_);
  for (std::int64_t c = before.first; c < before.end; ++c)
    blur_levels(values + c * levels_, level_work, work + (c - origin) * levels_);
  fill_zero(work + (before.end - origin) * levels_, (after.end + kReach - before.end) * levels_);
  const Lanes* sources[2 * kReach + 1];
  for (std::int64_t k = 0; k <= 2 * kReach; ++k) sources[k] = work + k * levels_;
  sum_taps(sources, grid_.x_.taps, (after.end - after.first) * levels_, values + after.first * levels_);
  fill_zero(values + wanted.first * levels_, (after.first - wanted.first) * levels_);
  fill_zero(values + after.end * levels_, (wanted.end - after.end) * levels_);
}

void Grid::GridChannels::blur_levels(const Lanes* from, Lanes* work, Lanes* to) const {
  if (levels_ == 1) {
    *to = *from;
    return;
  }
  fill_zero(work, kReach);
  std::copy_n(from, levels_, work + kReach);
  fill_zero(work + kReach + levels_, kReach);
  const Lanes* sources[2 * kReach + 1];
  for (std::int64_t k = 0; k <= 2 * kReach; ++k) sources[k] = work + k;
  sum_taps(sources, grid_.level_.taps, levels_, to);
}

// Along rows.
void Grid::GridChannels::blur_column(std::int64_t r) {
  const Columns& columns = blurred_used_[index(r)];
  const Lanes* sources[2 * kReach + 1];
  for (std::int64_t k = -kReach; k <= kReach; ++k) {
    const bool there = r + k >= 0 && r + k < grid_.y_.vertices;
    sources[k + kReach] = (there ? row(sums_, r + k) : zeros_.data()) + columns.first * levels_;
  }
  sum_taps(sources, grid_.y_.taps, (columns.end - columns.first) * levels_, row(blurred_, r) + columns.first * levels_);
}

}  // namespace osteon::dense_crf
