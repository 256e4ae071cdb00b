// SPDX-License-Identifier: Apache-2.0
#include "unaries.hpp"

#include <algorithm>
#include <string>

#include <osteon/sdk/parallel.hpp>

namespace osteon::dense_crf {
namespace {

constexpr float kSteps = 32767 / kLogitLimit;
constexpr std::int64_t kTilePixels = kTile * kTile, kMostInBlock = 128;  // tiles in 4 MiB

OSTEON_INLINE float clipped(float logit) {
  logit = sdk::vector_select(logit < -kLogitLimit, -kLogitLimit, logit);
  return sdk::vector_select(logit > kLogitLimit, kLogitLimit, logit);
}

// Infinities as large numbers, of which differences are numbers.
OSTEON_INLINE float finite(float logit) {
  logit = sdk::vector_select(logit < -1e30f, -1e30f, logit);
  return sdk::vector_select(logit > 1e30f, 1e30f, logit);
}

OSTEON_INLINE std::int16_t packed(float logit) {
  constexpr float kRounder = 12582912.0f;  // 1.5 * 2^23: adding rounds to a whole number, which is in the low bits
  return static_cast<std::int16_t>(sdk::detail::as_bits(clipped(logit) * kSteps + kRounder));
}

OSTEON_MULTIVERSION void pack(const float* from, const float* less, std::int64_t count, std::int16_t* to) {
  std::int16_t values[kTile];
  OSTEON_VECTOR_LOOP
  for (std::int64_t i = 0; i < count; ++i) values[i] = packed(finite(from[i]) - less[i]);
  for (std::int64_t i = 0; i < count; ++i) to[i * kLanes] = values[i];
  // What the tile to the right will ask for: rows of many planes are a pattern that no processor foresees.
  constexpr std::int64_t kCacheLine = 64 / sizeof(float);
  for (std::int64_t i = 0; i < kTile; i += kCacheLine) __builtin_prefetch(from + kTile + i);
}

struct Unpack {
  static OSTEON_INLINE void convert(const std::int16_t* from, Four& to) {
    using Shorts = std::int16_t __attribute__((vector_size(8), aligned(2), may_alias));
    using Ints = std::int32_t __attribute__((vector_size(16)));
    to = __builtin_convertvector(__builtin_convertvector(*reinterpret_cast<const Shorts*>(from), Ints), Four);
  }
  static OSTEON_INLINE void convert(const std::int16_t* from, Eight& to) {
    using Shorts = std::int16_t __attribute__((vector_size(16), aligned(2), may_alias));
    using Ints = std::int32_t __attribute__((vector_size(32)));
    to = __builtin_convertvector(__builtin_convertvector(*reinterpret_cast<const Shorts*>(from), Ints), Eight);
  }
  static OSTEON_INLINE void convert(const std::int16_t* from, Sixteen& to) {
    using Shorts = std::int16_t __attribute__((vector_size(32), aligned(2), may_alias));
    using Ints = std::int32_t __attribute__((vector_size(64)));
    to = __builtin_convertvector(__builtin_convertvector(*reinterpret_cast<const Shorts*>(from), Ints), Sixteen);
  }

  template <class V>
  static OSTEON_INLINE void run(const std::int16_t* from, const float* less, std::int64_t count, Lanes* to) {
    for (std::int64_t i = 0; i < count; ++i) {
      const float base = less != nullptr ? less[i] : 0;
      for_registers(as<V>(to)[i], [&](auto& part) OSTEON_INLINE_LAMBDA {
        convert(from, part);
        part = part * (1 / kSteps) - base;
        from += sizeof part / sizeof(float);
      });
    }
  }
};

// What brings the greatest of a pixel's logits to kLogitLimit.
OSTEON_MULTIVERSION void excess(const float* planes, std::int64_t classes, std::int64_t plane, std::int64_t count,
                                float* out) {
  for (std::int64_t i = 0; i < count; ++i) out[i] = planes[i];
  for (std::int64_t c = 1; c < classes; ++c) {
    const float* values = planes + c * plane;
    OSTEON_VECTOR_LOOP
    for (std::int64_t i = 0; i < count; ++i) out[i] = sdk::vector_select(values[i] > out[i], values[i], out[i]);
  }
  for (std::int64_t i = 0; i < count; ++i) out[i] = finite(out[i]) - kLogitLimit;
}

// The greatest of a row, or NaN if there is one.
OSTEON_MULTIVERSION float greatest_of(const float* values, std::int64_t count, float most) {
  constexpr std::int64_t kWidth = 16;
  float greatest[kWidth], nan[kWidth] = {};
  for (float& value : greatest) value = most;
  std::int64_t i = 0;
  for (; i + kWidth <= count; i += kWidth)
    for (std::int64_t k = 0; k < kWidth; ++k) {
      const float value = values[i + k];
      greatest[k] = sdk::vector_select(value > greatest[k], value, greatest[k]);
      nan[k] = sdk::vector_select(value == value, nan[k], value);
    }
  float result = most, bad = 0;
  for (; i < count; ++i) {
    result = values[i] > result ? values[i] : result;
    bad = values[i] == values[i] ? bad : values[i];
  }
  for (std::int64_t k = 0; k < kWidth; ++k) {
    result = greatest[k] > result ? greatest[k] : result;
    bad += nan[k];
  }
  return bad == 0 ? result : bad;
}

}  // namespace

Unaries::Unaries(const sdk::Call& call, const Tiling& tiling, const float* planes, std::int64_t classes, bool exclusive)
    : call_(call),
      tiling_(tiling),
      planes_(planes),
      classes_(classes),
      exclusive_(exclusive),
      block_(std::clamp<std::int64_t>(tiling.tiles() / 16, 1, kMostInBlock)),
      copies_(static_cast<std::size_t>(tiling.tiles())) {}

void Unaries::restart(std::int64_t first, std::int64_t count, std::int64_t parts) {
  first_ = first;
  count_ = count;
  if (rooms_.size() < static_cast<std::size_t>(parts)) rooms_.resize(static_cast<std::size_t>(parts));
  for (Room& room : rooms_) room.tiles = 0;
  std::fill(copies_.begin(), copies_.end(), nullptr);
}

void Unaries::read(std::int64_t part, const Segment& segment, const float* less, Lanes* out) {
  const std::int64_t tile = segment.at / kTilePixels;
  std::int16_t*& copied = copies_[static_cast<std::size_t>(tile)];
  if (copied == nullptr) {
    copied = take(rooms_[static_cast<std::size_t>(part)]);
    copy(tile, copied);
  }
  on_lanes<Unpack>(static_cast<const std::int16_t*>(copied) + segment.at % kTilePixels * kLanes, less, segment.count,
                   out);
}

std::int16_t* Unaries::take(Room& room) const {
  const std::int64_t block = room.tiles / block_;
  if (block == static_cast<std::int64_t>(room.blocks.size()))
    room.blocks.push_back(call_.allocate<std::int16_t>({block_, kTilePixels, kLanes}));
  return room.blocks[static_cast<std::size_t>(block)].data<std::int16_t>() +
         room.tiles++ % block_ * kTilePixels * kLanes;
}

void Unaries::copy(std::int64_t tile, std::int16_t* to_tile) const {
  const Tile at = tiling_[tile];
  for (std::int64_t row = 0; row < at.height; ++row) {
    const std::int64_t pixel = (at.y + row) * tiling_.width + at.x;
    float less[kTile] = {};
    if (exclusive_) excess(planes_ + pixel, classes_, tiling_.pixels(), at.width, less);
    std::int16_t* to = to_tile + row * kTile * kLanes;
    for (std::int64_t lane = 0; lane < count_; ++lane)
      pack(planes_ + (first_ + lane) * tiling_.pixels() + pixel, less, at.width, to + lane);
    for (std::int64_t i = 0; i < at.width; ++i)
      std::fill(to + i * kLanes + count_, to + (i + 1) * kLanes, packed(-kLogitLimit));
  }
}

std::vector<float> greatest_logits(const sdk::Call& call, const Tiling& tiling, const float* planes,
                                   std::int64_t classes) {
  const std::int64_t padded = (classes + kLanes - 1) / kLanes * kLanes;
  std::vector<float> greatest(static_cast<std::size_t>(tiling.tiles() * padded), -kLogitLimit);
  sdk::parallel_for(call, tiling.rows * classes, [&](std::int64_t item, int) {
    const std::int64_t c = item % classes, tile_row = item / classes;
    const std::int64_t end = std::min(tiling.height, (tile_row + 1) * kTile);
    for (std::int64_t y = tile_row * kTile; y < end; ++y)
      for (std::int64_t column = 0; column < tiling.columns; ++column) {
        float& most = greatest[static_cast<std::size_t>((tile_row * tiling.columns + column) * padded + c)];
        const float* row = planes + (c * tiling.height + y) * tiling.width + column * kTile;
        most = greatest_of(row, std::min(kTile, tiling.width - column * kTile), most);
        if (most != most)
          throw sdk::BadInput("a logit in row " + std::to_string(y) + ", columns " + std::to_string(column * kTile) +
                              " and following, of class " + std::to_string(c) + " is not a number");
      }
  });
  for (float& most : greatest) most = std::min(most, kLogitLimit);
  return greatest;
}

}  // namespace osteon::dense_crf
