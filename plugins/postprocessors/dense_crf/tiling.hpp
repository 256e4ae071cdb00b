// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace osteon::dense_crf {

constexpr std::int64_t kTile = 32;  ///< side of a tile, px

/// The pixels of a row that lie in one tile.
struct Segment {
  std::int64_t y = 0, x = 0, count = 0;
  std::int64_t at = 0;  ///< of the first pixel, in what is stored tile by tile
};

struct Tile {
  Segment row(std::int64_t i) const noexcept { return {y + i, x, width, (index * kTile + i) * kTile}; }

  std::int64_t index = 0;
  std::int64_t y = 0, x = 0, height = 0, width = 0;  ///< px
};

/// An image cut into tiles, from left to right and from top to bottom. What is known of each pixel is stored tile by
/// tile, in stored() floats, those at the right and lower border with room for whole tiles: in the order in which it is
/// read.
struct Tiling {
  Tiling(std::int64_t h, std::int64_t w) noexcept
      : height(h), width(w), rows((h + kTile - 1) / kTile), columns((w + kTile - 1) / kTile) {}
  Tile operator[](std::int64_t tile) const noexcept {
    const std::int64_t y = tile / columns * kTile, x = tile % columns * kTile;
    return {tile, y, x, std::min(kTile, height - y), std::min(kTile, width - x)};
  }
  std::int64_t tiles() const noexcept { return rows * columns; }
  std::int64_t pixels() const noexcept { return height * width; }
  std::int64_t stored() const noexcept { return tiles() * kTile * kTile; }

  std::int64_t height, width;  ///< px
  std::int64_t rows, columns;  ///< tiles
};

/// The rows of tiles in contiguous parts, each worked on by one thread at a time. They depend on the image and never on
/// the number of threads, so that sums do not either. Part p has rows of tiles [first[p], first[p + 1]).
struct Parts {
  std::int64_t count() const noexcept { return static_cast<std::int64_t>(first.size()) - 1; }
  /// The first row of pixels of a part, or of what follows the last.
  std::int64_t pixel_row(std::int64_t part, const Tiling& tiling) const noexcept {
    return std::min(tiling.height, first[static_cast<std::size_t>(part)] * kTile);
  }

  std::vector<std::int64_t> first;
};

/// At most `most` parts with about the same work in each.
/// @param work  of each row of tiles
inline Parts even_parts(const std::vector<double>& work, std::int64_t most) {
  double total = 0;
  for (const double w : work) total += w;
  Parts parts{{0}};
  double done = 0;
  const auto rows = static_cast<std::int64_t>(work.size());
  for (std::int64_t row = 0; row < rows; ++row) {
    done += work[static_cast<std::size_t>(row)];
    const auto ended = static_cast<double>(parts.first.size());
    if (row + 1 == rows ||
        (static_cast<std::int64_t>(ended) < most && done >= total * ended / static_cast<double>(most)))
      parts.first.push_back(row + 1);
  }
  return parts;
}

}  // namespace osteon::dense_crf
