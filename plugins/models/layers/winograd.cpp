// SPDX-License-Identifier: Apache-2.0
#include "winograd.hpp"

#include <algorithm>
#include <array>
#include <numeric>

#include <osteon/sdk/vector_math.hpp>

#include "lanes.hpp"

namespace osteon::layers::kernels {
namespace {

constexpr int kTile = 4, kReach = 6, kPoints = kReach * kReach;
/// Tiles whose transforms are multiplied together, so that they stay in a core's second-level cache; more where there
/// are so many kernels that reading them takes longer than multiplying by them.
constexpr std::int64_t kTilesAtOnce = 24, kTilesForManyKernels = 48, kManyKernels = 128 * 1024;

std::int64_t divide_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

/// B^T d, along one axis of a tile.
OSTEON_INLINE void transform_input(const Lanes& d0, const Lanes& d1, const Lanes& d2, const Lanes& d3, const Lanes& d4,
                                   const Lanes& d5, Lanes* t) {
  const Lanes even = d4 - 4.0f * d2, odd = d3 - 4.0f * d1, even2 = d4 - d2, odd2 = 2.0f * (d3 - d1);
  t[0] = 4.0f * d0 - 5.0f * d2 + d4;
  t[1] = even + odd;
  t[2] = even - odd;
  t[3] = even2 + odd2;
  t[4] = even2 - odd2;
  t[5] = 4.0f * d1 - 5.0f * d3 + d5;
}

/// A^T m, along one axis of the products.
OSTEON_INLINE void transform_output(const Lanes& m0, const Lanes& m1, const Lanes& m2, const Lanes& m3, const Lanes& m4,
                                    const Lanes& m5, Lanes* y) {
  const Lanes sum = m1 + m2, difference = m1 - m2, sum2 = m3 + m4, difference2 = m3 - m4;
  y[0] = m0 + sum + sum2;
  y[1] = difference + 2.0f * difference2;
  y[2] = sum + 4.0f * sum2;
  y[3] = difference + 8.0f * difference2 + m5;
}

/// G g, along one axis of a kernel.
OSTEON_INLINE void transform_kernel(const Lanes& g0, const Lanes& g1, const Lanes& g2, Lanes* u) {
  const Lanes even = g0 + g2, even4 = g0 + 4.0f * g2;
  u[0] = g0 / 4.0f;
  u[1] = (even + g1) / -6.0f;
  u[2] = (even - g1) / -6.0f;
  u[3] = (even4 + 2.0f * g1) / 24.0f;
  u[4] = (even4 - 2.0f * g1) / 24.0f;
  u[5] = g2;
}

/// Channels of all inputs, each padded to whole Lanes.
std::int64_t total(const std::vector<std::int64_t>& channels) {
  std::int64_t sum = 0;
  for (const std::int64_t count : channels) sum += padded(count);
  return sum;
}

/// Transforms Lanes of channels of the 36 pixels of a tile, to v[point * point_stride].
OSTEON_INLINE void transform_lanes(const std::array<const float*, kPoints>& pixels, std::int64_t channel, float* v,
                                   std::int64_t point_stride) {
  Lanes t[kReach][kReach];
  for (int i = 0; i < kReach; ++i) {
    const float* const* row = pixels.data() + i * kReach;
    transform_input(lanes_at(row[0] + channel), lanes_at(row[1] + channel), lanes_at(row[2] + channel),
                    lanes_at(row[3] + channel), lanes_at(row[4] + channel), lanes_at(row[5] + channel), t[i]);
  }
  for (int j = 0; j < kReach; ++j) {
    Lanes column[kReach];
    transform_input(t[0][j], t[1][j], t[2][j], t[3][j], t[4][j], t[5][j], column);
    for (int i = 0; i < kReach; ++i) lanes_at(v + (i * kReach + j) * point_stride) = column[i];
  }
}

/// Transforms `count` channels of the 36 pixels of a tile, to v[point * point_stride + channel]. Whole Lanes are
/// written, with zeros beyond `count`.
OSTEON_MULTIVERSION void transform_tile(const std::array<const float*, kPoints>& pixels, std::int64_t count, float* v,
                                        std::int64_t point_stride) {
  std::int64_t c = 0;
  for (; c + kLanes <= count; c += kLanes) transform_lanes(pixels, c, v + c, point_stride);
  if (c == count) return;
  float rest[kPoints][kLanes] = {};
  std::array<const float*, kPoints> places{};
  for (std::size_t i = 0; i < places.size(); ++i) {
    std::copy_n(pixels[i] + c, count - c, rest[i]);
    places[i] = rest[i];
  }
  transform_lanes(places, 0, v + c, point_stride);
}

/// Transforms Lanes of a tile's products back: m[point * point_stride], to 16 pixels.
OSTEON_INLINE void transform_back(const float* m, std::int64_t point_stride, Lanes (&y)[kTile][kTile]) {
  Lanes t[kReach][kTile];
  for (int i = 0; i < kReach; ++i) {
    const float* row = m + i * kReach * point_stride;
    transform_output(lanes_at(row), lanes_at(row + point_stride), lanes_at(row + 2 * point_stride),
                     lanes_at(row + 3 * point_stride), lanes_at(row + 4 * point_stride),
                     lanes_at(row + 5 * point_stride), t[i]);
  }
  for (int j = 0; j < kTile; ++j) {
    Lanes column[kTile];
    transform_output(t[0][j], t[1][j], t[2][j], t[3][j], t[4][j], t[5][j], column);
    for (int i = 0; i < kTile; ++i) y[i][j] = column[i];
  }
}

/// Where a tile lies: a dilated convolution is one of its own on each of dilation^2 grids of every dilation-th pixel.
struct Tile {
  std::int64_t image, y, x;  ///< of its first result

  Tile(const WinogradGrid& g, std::int64_t index) {
    const std::int64_t d = g.dilation;
    const std::int64_t rows = divide_up(divide_up(g.height, d), kTile),
                       columns = divide_up(divide_up(g.width, d), kTile);
    x = index % columns * kTile * d;
    index /= columns;
    y = index % rows * kTile * d;
    index /= rows;
    x += index % d;
    index /= d;
    y += index % d;
    image = index / d;
  }
};

/// Where the 36 pixels of an input are that a tile needs; `zeros` beyond the border.
std::array<const float*, kPoints> pixels_of(const WinogradGrid& g, const Source& in, const Tile& tile,
                                            const float* zeros) {
  const int shift = in.doubled ? 1 : 0;
  const std::int64_t width = g.width >> shift, height = g.height >> shift;
  std::array<std::int64_t, kReach> columns{};  // -1 beyond the border
  for (int j = 0; j < kReach; ++j) {
    const std::int64_t x = tile.x + (j - 1) * g.dilation;
    columns[static_cast<std::size_t>(j)] = x >= 0 && x < g.width ? (x >> shift) * in.channels : -1;
  }
  std::array<const float*, kPoints> pixels{};
  for (int i = 0; i < kReach; ++i) {
    const std::int64_t y = tile.y + (i - 1) * g.dilation;
    const bool inside = y >= 0 && y < g.height;
    const float* row = inside ? in.pixels + (tile.image * height + (y >> shift)) * width * in.channels : zeros;
    for (int j = 0; j < kReach; ++j) {
      const std::int64_t column = columns[static_cast<std::size_t>(j)];
      pixels[static_cast<std::size_t>(i * kReach + j)] = inside && column >= 0 ? row + column : zeros;
    }
  }
  return pixels;
}

/// Where a tile's results go.
struct Target {
  const WinogradGrid& grid;
  const Epilogue& epilogue;
  std::int64_t channels;  ///< of the output
  bool planes;
  float* out;
};

/// Lanes of channels of a tile, `rows` x `columns` of which lie on the grid, from channel `first` on, to planes.
OSTEON_INLINE void finish_planes(const Target& t, const Tile& tile, Lanes (&y)[kTile][kTile], int rows, int columns,
                                 std::int64_t first) {
  const WinogradGrid& g = t.grid;
  float values[kTile * kTile][kLanes];
  for (int i = 0; i < kTile * kTile; ++i) {
    Lanes& value = y[i / kTile][i % kTile];
    value += lanes_at(t.epilogue.shift + first);
    activate(value, t.epilogue.activation);
    lanes_at(values[i]) = value;
  }
  const std::int64_t count = std::min(kLanes, t.channels - first);
  for (std::int64_t c = 0; c < count; ++c) {
    float* plane = t.out + (tile.image * t.channels + first + c) * g.height * g.width;
    for (int i = 0; i < rows; ++i)
      for (int j = 0; j < columns; ++j)
        plane[(tile.y + i * g.dilation) * g.width + tile.x + j * g.dilation] = values[i * kTile + j][c];
  }
}

/// Channels [begin, end) of the results of one tile, whose products are m[point * point_stride + channel - begin].
OSTEON_MULTIVERSION void finish_tile(const Target& t, const Tile& tile, const float* m, std::int64_t point_stride,
                                     std::int64_t begin, std::int64_t end) {
  const WinogradGrid& g = t.grid;
  const std::int64_t d = g.dilation;
  const int rows = static_cast<int>(std::min<std::int64_t>(kTile, divide_up(g.height - tile.y, d)));
  const int columns = static_cast<int>(std::min<std::int64_t>(kTile, divide_up(g.width - tile.x, d)));
  for (std::int64_t c = begin; c < end; c += kLanes) {
    Lanes y[kTile][kTile];
    transform_back(m + c - begin, point_stride, y);
    if (t.planes) {
      finish_planes(t, tile, y, rows, columns, c);
      continue;
    }
    for (int i = 0; i < rows; ++i)
      for (int j = 0; j < columns; ++j)
        finish(y[i][j], t.epilogue, c, t.channels - c,
               ((tile.image * g.height + tile.y + i * d) * g.width + tile.x + j * d) * t.channels + c, t.out);
  }
}

/// What is worked on together: so many tiles, so many channels of the output.
struct Share {
  std::int64_t tiles, channels;

  /// As even for all threads as it gets. Where there are too few tiles to go round at a good size, each thread takes
  /// all of them and a part of the channels: transforming them twice costs less than reading all kernels twice.
  Share(const WinogradGrid& grid, const WinogradWeights& weights, int threads) : channels(weights.out()) {
    const std::int64_t all = grid.tiles();
    const std::int64_t most =
        weights.depth() * padded(weights.out()) < kManyKernels ? kTilesAtOnce : kTilesForManyKernels;
    if (all <= most && weights.out() >= threads * kPanel) {
      tiles = all;
      channels = divide_up(divide_up(weights.out(), threads), kPanel) * kPanel;
      return;
    }
    const std::int64_t rounds = divide_up(all, most * threads);
    tiles = divide_up(all, rounds * threads);
  }
};

/// Matrices [points, rows, columns] whose rows lie an odd number of Lanes apart, as do their points: at even distances
/// they would meet in the same few places of the cache.
struct Matrices {
  std::int64_t stride, point_stride;
  Floats values;

  Matrices(std::int64_t rows, std::int64_t columns)
      : stride((padded(columns) / kLanes | 1) * kLanes),
        point_stride((rows * stride / kLanes | 1) * kLanes),
        values(kPoints * point_stride) {}
  float* at(std::int64_t point, std::int64_t row) { return values.data() + point * point_stride + row * stride; }
};

/// What one thread works on.
class Workspace {
 public:
  Workspace(const std::vector<Source>& inputs, const WinogradWeights& weights, const Share& share)
      : v_(share.tiles, std::min(weights.depth(), WinogradWeights::kDepthAtOnce)),
        m_(share.tiles, share.channels),
        zeros_(static_cast<std::size_t>(most_channels(inputs))) {}

  /// Tiles [begin, end), channels [first_channel, last_channel) of the output, of which the first begins a panel.
  void run(const Target& target, const std::vector<Source>& inputs, const WinogradWeights& weights, std::int64_t begin,
           std::int64_t end, std::int64_t first_channel, std::int64_t last_channel) {
    std::vector<Tile> tiles;
    for (std::int64_t i = begin; i < end; ++i) tiles.emplace_back(target.grid, i);
    for (std::int64_t first = 0; first < weights.depth(); first += WinogradWeights::kDepthAtOnce) {
      const std::int64_t depth = std::min(WinogradWeights::kDepthAtOnce, weights.depth() - first);
      for (std::size_t i = 0; i < tiles.size(); ++i)
        gather(target.grid, inputs, tiles[i], first, depth, static_cast<std::int64_t>(i));
      for (std::int64_t p = 0; p < kPoints; ++p)
        multiply(v_.at(p, 0), end - begin, depth, v_.stride, weights.panels(first, p) + first_channel * depth,
                 last_channel - first_channel, m_.at(p, 0), m_.stride, first > 0);
    }
    for (std::size_t i = 0; i < tiles.size(); ++i)
      finish_tile(target, tiles[i], m_.at(0, static_cast<std::int64_t>(i)), m_.point_stride, first_channel,
                  last_channel);
  }

 private:
  /// Transforms rows [first, first + depth) of the depth of one tile.
  void gather(const WinogradGrid& grid, const std::vector<Source>& inputs, const Tile& tile, std::int64_t first,
              std::int64_t depth, std::int64_t place) {
    std::int64_t at = 0;  // where an input's channels begin in the depth
    for (const Source& in : inputs) {
      const std::int64_t begin = std::max(first, at), end = std::min(first + depth, at + padded(in.channels));
      if (begin < end) {
        std::array<const float*, kPoints> pixels = pixels_of(grid, in, tile, zeros_.data());
        for (const float*& pixel : pixels) pixel += begin - at;
        transform_tile(pixels, std::min(end - at, in.channels) - (begin - at), v_.at(0, place) + begin - first,
                       v_.point_stride);
      }
      at += padded(in.channels);
    }
  }

  static std::int64_t most_channels(const std::vector<Source>& inputs) {
    std::int64_t most = 0;
    for (const Source& in : inputs) most = std::max(most, in.channels);
    return most;
  }

  Matrices v_, m_;
  std::vector<float> zeros_;
};

}  // namespace

std::int64_t WinogradGrid::tiles() const {
  return images * dilation * dilation * divide_up(divide_up(height, dilation), kTile) *
         divide_up(divide_up(width, dilation), kTile);
}

WinogradWeights::WinogradWeights(const float* weight, const std::vector<std::int64_t>& channels, std::int64_t out,
                                 int threads)
    : out_(out), depth_(total(channels)), values_(kPoints * depth_ * padded(out)) {
  std::vector<std::int64_t> source(static_cast<std::size_t>(depth_), -1);  // channel of each row; -1: padding
  std::int64_t in = 0, row = 0;
  for (const std::int64_t count : channels) {
    std::iota(source.begin() + row, source.begin() + row + count, in);
    in += count;
    row += padded(count);
  }
#pragma omp parallel for num_threads(threads) schedule(static)
  for (std::int64_t i = 0; i < depth_; ++i) {
    const std::int64_t channel = source[static_cast<std::size_t>(i)];
    transform_row(channel < 0 ? nullptr : weight + channel * 9, in * 9, i);
  }
}

void WinogradWeights::transform_row(const float* weight, std::int64_t stride, std::int64_t row) {
  const std::int64_t first = row / kDepthAtOnce * kDepthAtOnce, depth = std::min(kDepthAtOnce, depth_ - first);
  for (std::int64_t o = 0; o < out_; o += kLanes) {
    Lanes g[3][3] = {}, t[3][kReach], u[kReach];
    for (std::int64_t i = 0; weight != nullptr && i < std::min(kLanes, out_ - o); ++i)
      for (int tap = 0; tap < 9; ++tap) g[tap / 3][tap % 3][i] = weight[(o + i) * stride + tap];
    for (int j = 0; j < 3; ++j) transform_kernel(g[0][j], g[1][j], g[2][j], t[j]);
    const std::int64_t panel = o / kPanel * kPanel, width = std::min(kPanel, padded(out_) - panel);
    for (int i = 0; i < kReach; ++i) {
      transform_kernel(t[0][i], t[1][i], t[2][i], u);
      for (int j = 0; j < kReach; ++j)
        lanes_at(values_.data() + first * kPoints * padded(out_) + (i * kReach + j) * depth * padded(out_) +
                 panel * depth + (row - first) * width + o - panel) = u[j];
    }
  }
}

const float* WinogradWeights::panels(std::int64_t first, std::int64_t point) const {
  const std::int64_t depth = std::min(kDepthAtOnce, depth_ - first);
  return values_.data() + (first * kPoints + point * depth) * padded(out_);
}

void convolve_winograd(const WinogradGrid& grid, const std::vector<Source>& inputs, const WinogradWeights& weights,
                       const Epilogue& epilogue, bool planes, float* out, int threads) {
  const Target target{grid, epilogue, weights.out(), planes, out};
  const Share share(grid, weights, threads);
  const std::int64_t tiles = grid.tiles(), parts = divide_up(weights.out(), share.channels);
  const std::int64_t shares = divide_up(tiles, share.tiles) * parts;
#pragma omp parallel num_threads(static_cast <int>(std::min <std::int64_t>(threads, shares)))
  {
    Workspace workspace(inputs, weights, share);
#pragma omp for schedule(static)
    for (std::int64_t i = 0; i < shares; ++i) {
      const std::int64_t tile = i / parts * share.tiles, channel = i % parts * share.channels;
      workspace.run(target, inputs, weights, tile, std::min(tiles, tile + share.tiles), channel,
                    std::min(weights.out(), channel + share.channels));
    }
  }
}

}  // namespace osteon::layers::kernels
