// SPDX-License-Identifier: Apache-2.0
#include "grid.hpp"

#include <algorithm>
#include <utility>

namespace osteon::augmentations {
namespace {

using sdk::Random;

// Where the parts of a side begin, and its end.
std::vector<std::int64_t> edges_of(std::int64_t side, std::int64_t parts, Random& random) {
  std::vector<std::int64_t> lengths(static_cast<std::size_t>(parts), side / parts);
  std::fill_n(lengths.begin(), side % parts, side / parts + 1);
  for (std::size_t i = lengths.size(); i > 1; --i)
    std::swap(lengths[i - 1], lengths[random.below(static_cast<std::uint32_t>(i))]);
  std::vector<std::int64_t> edges = {0};
  for (const std::int64_t length : lengths) edges.push_back(edges.back() + length);
  return edges;
}

struct Span {
  std::int64_t begin, end;
};

// Of a hole along one side of the image.
Span span_of(const Grid& grid, std::int64_t first, std::int64_t last, std::int64_t shift, std::int64_t side,
             Random& random) {
  const std::int64_t cell = last - first;
  const auto wanted = static_cast<std::int64_t>(static_cast<double>(cell) * grid.ratio);
  const std::int64_t hole = std::min(std::max<std::int64_t>(wanted, 1), cell - 1);
  const std::int64_t offset = grid.random_offset ? random.below(static_cast<std::uint32_t>(cell - hole + 1)) : shift;
  const std::int64_t begin = std::clamp<std::int64_t>(first + offset, 0, side - hole);
  return {begin, begin + hole};
}

}  // namespace

std::vector<Hole> holes_of(const Grid& grid, std::int64_t height, std::int64_t width, Random& random) {
  if (grid.rows < 1 || grid.columns < 1) return {};
  const auto rows = edges_of(height, grid.rows, random), columns = edges_of(width, grid.columns, random);
  std::vector<Hole> holes;
  for (std::size_t r = 0; r + 1 < rows.size(); ++r)
    for (std::size_t c = 0; c + 1 < columns.size(); ++c) {
      const Span y = span_of(grid, rows[r], rows[r + 1], grid.shift_y, height, random);
      const Span x = span_of(grid, columns[c], columns[c + 1], grid.shift_x, width, random);
      holes.push_back({x.begin, y.begin, x.end, y.end});
    }
  return holes;
}

}  // namespace osteon::augmentations
