// SPDX-License-Identifier: Apache-2.0
#include "lattice.hpp"

#include <algorithm>
#include <cstring>

#include <osteon/sdk/pages.hpp>
#include <osteon/sdk/parallel.hpp>

#include "lattice_channels.hpp"

namespace osteon::dense_crf {
namespace {

// The vertices of each tile, each once.
class TileLists {
 public:
  void add(std::int32_t vertex) {
    const auto v = static_cast<std::size_t>(vertex);
    if (v >= seen_in_.size()) seen_in_.resize(std::max(v + 1, 2 * seen_in_.size()), -1);
    if (seen_in_[v] == tile_) return;
    seen_in_[v] = tile_;
    list.push_back(vertex);
  }
  void end_tile() {
    ends.push_back(static_cast<std::int32_t>(list.size()));
    ++tile_;
  }
  sdk::PagesVector<std::int32_t> ends, list;

 private:
  sdk::PagesVector<std::int32_t> seen_in_;
  std::int32_t tile_ = 0;
};

// A neighbour that does not exist is vertex `size`, which holds 0.
void write_neighbours(const sdk::Call& call, const VertexTable& table, int d, std::int32_t* out) {
  const std::int64_t size = table.size();
  sdk::parallel_for(call, d + 1, [&](std::int64_t axis, int) {
    for (std::int64_t v = 0; v < size; ++v) {
      if (v % 65536 == 0) call.stop_if_cancelled();
      for (const int sign : {-1, 1}) {
        std::int32_t key[Simplex::kMost];
        for (int i = 0; i < d; ++i) key[i] = table.key(v)[i] + (i == axis ? -sign * d : sign);
        const std::int32_t found = table.find(key);
        out[(axis * size + v) * 2 + (sign > 0)] = found >= 0 ? found : static_cast<std::int32_t>(size);
      }
    }
  });
}

}  // namespace

Lattice::Tables Lattice::build(const sdk::Call& call, const Tiling& tiling, double sigma, const float* image,
                               std::int64_t channels, double color_sigma) {
  const int d = static_cast<int>(channels) + 2;
  const std::int64_t corners = d + 1;
  Tables tables;
  tables.pixels = call.allocate<std::int32_t>({2, tiling.stored(), corners});
  std::int32_t* vertex_of = tables.pixels.data<std::int32_t>();
  std::int32_t* share_of = vertex_of + tiling.stored() * corners;
  Simplex simplex(d);
  VertexTable table(call, d);
  TileLists lists;
  std::int32_t found[Simplex::kMost + 1] = {};
  for (std::int64_t t = 0; t < tiling.tiles(); ++t) {
    call.stop_if_cancelled();
    const Tile tile = tiling[t];
    for (std::int64_t row = 0; row < tile.height; ++row)
      for (std::int64_t i = 0; i < tile.width; ++i) {
        const float* color = image + ((tile.y + row) * tiling.width + tile.x + i) * channels;
        double point[Simplex::kMost] = {static_cast<double>(tile.x + i) / sigma,
                                        static_cast<double>(tile.y + row) / sigma};
        for (std::int64_t c = 0; c < channels; ++c) point[2 + c] = static_cast<double>(color[c]) / color_sigma;
        const bool other = simplex.find(point);
        for (int r = 0; r < corners; ++r) {
          if (other) {
            std::int32_t key[Simplex::kMost];
            simplex.vertex(r, key);
            found[r] = table.find_or_add(key);
          }
          const std::int64_t at = (tile.row(row).at + i) * corners + r;
          vertex_of[at] = found[r];
          const auto share = static_cast<float>(simplex.share(r));
          std::memcpy(share_of + at, &share, sizeof share);
          lists.add(found[r]);
        }
      }
    lists.end_tile();
  }
  const std::int64_t neighbours = 2 * corners * table.size();
  const auto count = static_cast<std::int64_t>(lists.ends.size() + lists.list.size());
  tables.vertices = call.allocate<std::int32_t>({1 + neighbours + count});
  std::int32_t* out = tables.vertices.data<std::int32_t>();
  *out++ = static_cast<std::int32_t>(table.size());
  write_neighbours(call, table, d, out);
  std::copy(lists.ends.begin(), lists.ends.end(), out + neighbours);
  std::copy(lists.list.begin(), lists.list.end(), out + neighbours + tiling.tiles());
  return tables;
}

Lattice::Lattice(const Tiling& tiling, std::int64_t channels, Tables tables)
    : tiling_(tiling), corners_(channels + 3), tables_(std::move(tables)) {
  vertex_of_ = static_cast<const std::int32_t*>(tables_.pixels.view().data);
  share_of_ = reinterpret_cast<const float*>(vertex_of_ + tiling.stored() * corners_);
  neighbours_ = static_cast<const std::int32_t*>(tables_.vertices.view().data) + 1;
  vertices_ = neighbours_[-1];
  list_ends_ = neighbours_ + 2 * corners_ * vertices_;
  lists_ = list_ends_ + tiling.tiles();
}

std::unique_ptr<Channels> Lattice::channels(const sdk::Call& call, std::int64_t most) const {
  return std::make_unique<LatticeChannels>(call, *this, most);
}

// Each part has sums of its own; together they are not to be much more than the image.
std::int64_t Lattice::most_parts() const {
  return std::clamp<std::int64_t>(tiling_.pixels() / std::max<std::int64_t>(1, vertices_), 1, 16);
}

}  // namespace osteon::dense_crf
