// SPDX-License-Identifier: Apache-2.0
#include "normalization.hpp"

#include <algorithm>
#include <cmath>

#include <osteon/sdk/parallel.hpp>

namespace osteon::dense_crf {
namespace {

constexpr float kTiny = 1e-20f;  // as in pydensecrf: what arrives may be 0

bool has_before(Normalization kind) { return kind == Normalization::kBefore || kind == Normalization::kSymmetric; }
bool has_after(Normalization kind) { return kind != Normalization::kBefore; }

template <class Work>
void for_each_segment(const sdk::Call& call, const Tiling& tiling, const Parts& parts, Work&& work) {
  sdk::parallel_for(call, parts.count(), [&](std::int64_t part, int) {
    const std::int64_t begin = parts.first[static_cast<std::size_t>(part)] * tiling.columns,
                       end = parts.first[static_cast<std::size_t>(part + 1)] * tiling.columns;
    for (std::int64_t t = begin; t < end; ++t) {
      if (t % tiling.columns == 0) call.stop_if_cancelled();
      const Tile tile = tiling[t];
      for (std::int64_t row = 0; row < tile.height; ++row) work(part, tile.row(row));
    }
  });
}

// out = K in; in: null: all 1.
void filter_plane(const sdk::Call& call, const Tiling& tiling, const Parts& parts, Channels& channels, const float* in,
                  float* out) {
  Lanes one[kTile];
  float ones[kTile];
  for (std::int64_t i = 0; i < kTile; ++i) {
    one[i] = Lanes{};
    floats(one + i)[0] = ones[i] = 1;
  }
  for_each_segment(call, tiling, parts, [&](std::int64_t part, const Segment& segment) {
    channels.splat(part, segment, in != nullptr ? in + segment.at : ones, one);
  });
  channels.blur(call);
  for_each_segment(call, tiling, parts, [&](std::int64_t part, const Segment& segment) {
    Lanes sums[kTile] = {};
    channels.slice(part, segment, ones, sums);
    for (std::int64_t i = 0; i < segment.count; ++i) out[segment.at + i] = floats(sums + i)[0];
  });
}

template <class Work>
void for_each_row_of_tiles(const sdk::Call& call, const Tiling& tiling, Work&& work) {
  const std::int64_t size = tiling.columns * kTile * kTile;
  sdk::parallel_for(call, tiling.rows, [&](std::int64_t row, int) {
    for (std::int64_t p = row * size; p < (row + 1) * size; ++p) work(p);
  });
}

float mean_of(const Tiling& tiling, const float* values) {
  double sum = 0;
  for (std::int64_t t = 0; t < tiling.tiles(); ++t) {
    const Tile tile = tiling[t];
    for (std::int64_t row = 0; row < tile.height; ++row)
      for (std::int64_t i = 0; i < tile.width; ++i) sum += double{values[tile.row(row).at + i]};
  }
  return static_cast<float>(sum / static_cast<double>(tiling.pixels()));
}

// The factors of a filter along one side.
struct Line {
  Line(const Filter& filter, Side side, std::int64_t pixels, Normalization kind) {
    const auto count = static_cast<std::size_t>(pixels);
    of_ones = filter.along(side, std::vector<float>(count, 1.0f));
    double mean = 0;
    for (const float k : of_ones) mean += double{k} / static_cast<double>(pixels);
    for (const float of_one : of_ones) {
      const float k = (kind == Normalization::kNone ? static_cast<float>(mean) : of_one) + kTiny;
      factor.push_back(kind == Normalization::kSymmetric ? 1 / std::sqrt(k) : 1 / k);
    }
    if (has_before(kind)) of_ones = filter.along(side, factor);
    for (std::size_t i = 0; i < count && has_after(kind); ++i) of_ones[i] *= factor[i];
  }
  std::vector<float> of_ones, factor;
};

}  // namespace

NormalizedFilter::NormalizedFilter(const sdk::Call& call, const Tiling& tiling, const Filter& filter,
                                   Normalization kind)
    : filter_(&filter), kind_(kind), factors_(call.allocate<float>({2, tiling.stored()})) {
  float* factor = factors_.data<float>();
  float* of_ones = factor + tiling.stored();
  for_each_row_of_tiles(call, tiling, [&](std::int64_t p) { factor[p] = of_ones[p] = 1; });  // beyond the image as well
  if (filter.separable()) {
    multiply_lines(call, tiling, factor, of_ones);
    return;
  }
  const Parts parts = even_parts(std::vector<double>(static_cast<std::size_t>(tiling.rows), 1.0), filter.most_parts());
  const auto channels = filter.channels(call, parts.count());
  channels->divide(parts);
  filter_plane(call, tiling, parts, *channels, nullptr, of_ones);
  const float mean = kind == Normalization::kNone ? mean_of(tiling, of_ones) : 0;
  for_each_row_of_tiles(call, tiling, [&](std::int64_t p) {
    const float k = (kind == Normalization::kNone ? mean : of_ones[p]) + kTiny;
    factor[p] = kind == Normalization::kSymmetric ? 1 / std::sqrt(k) : 1 / k;
  });
  if (before() != nullptr) filter_plane(call, tiling, parts, *channels, before(), of_ones);
  if (after() != nullptr) for_each_row_of_tiles(call, tiling, [&](std::int64_t p) { of_ones[p] *= factor[p]; });
}

// A filter that is one along each side has factors that are as well.
void NormalizedFilter::multiply_lines(const sdk::Call& call, const Tiling& tiling, float* factor,
                                      float* of_ones) const {
  const Line rows(*filter_, Side::kHeight, tiling.height, kind_), columns(*filter_, Side::kWidth, tiling.width, kind_);
  sdk::parallel_for(call, tiling.tiles(), [&](std::int64_t t, int) {
    const Tile tile = tiling[t];
    for (std::int64_t row = 0; row < tile.height; ++row) {
      const Segment segment = tile.row(row);
      const auto y = static_cast<std::size_t>(segment.y), x = static_cast<std::size_t>(segment.x);
      for (std::int64_t i = 0; i < segment.count; ++i) {
        factor[segment.at + i] = rows.factor[y] * columns.factor[x + static_cast<std::size_t>(i)];
        of_ones[segment.at + i] = rows.of_ones[y] * columns.of_ones[x + static_cast<std::size_t>(i)];
      }
    }
  });
}

NormalizedFilter::NormalizedFilter(const Filter& filter, Normalization kind, sdk::OwnedTensor factors)
    : filter_(&filter), kind_(kind), factors_(std::move(factors)) {}

const float* NormalizedFilter::before() const {
  return has_before(kind_) ? static_cast<const float*>(factors_.view().data) : nullptr;
}

const float* NormalizedFilter::after() const {
  return has_after(kind_) ? static_cast<const float*>(factors_.view().data) : nullptr;
}

const float* NormalizedFilter::of_ones() const {
  return static_cast<const float*>(factors_.view().data) + sdk::element_count(factors_.view()) / 2;
}

}  // namespace osteon::dense_crf
