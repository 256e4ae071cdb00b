// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>

#include "filter.hpp"
#include "lattice_simplex.hpp"

namespace osteon::dense_crf {

/// A Gaussian of place and colour on a permutohedral lattice: of its vertices only those exist that pixels have a share
/// of, so memory is bounded by the image, whatever the sigmas.
///
/// A. Adams, J. Baek, A. Davis, "Fast high-dimensional filtering using the permutohedral lattice", Eurographics 2010.
class Lattice final : public Filter {
 public:
  /// Vertices and their shares of each pixel, and the lattice's vertices with their neighbours.
  struct Tables {
    sdk::OwnedTensor pixels;    ///< int32 [2, stored, d + 1]: vertex; share, the bits of a float
    sdk::OwnedTensor vertices;  ///< int32: number of vertices, neighbours [d + 1, vertices, 2], of each tile where its
                                ///< list ends, lists of the vertices in tiles
  };
  /// @param image        [height, width, channels], finite; as many as d - 2
  /// @param color_sigma  in its unit
  static Tables build(const sdk::Call&, const Tiling&, double sigma, const float* image, std::int64_t channels,
                      double color_sigma);

  Lattice(const Tiling&, std::int64_t channels, Tables);

  std::unique_ptr<Channels> channels(const sdk::Call&, std::int64_t most) const override;
  std::int64_t most_parts() const override;
  std::int64_t vertices() const noexcept { return vertices_; }

 private:
  class LatticeChannels;
  const std::int32_t* vertex_of(std::int64_t at) const noexcept { return vertex_of_ + at * corners_; }
  const float* share_of(std::int64_t at) const noexcept { return share_of_ + at * corners_; }

  Tiling tiling_;
  std::int64_t corners_;  ///< d + 1
  Tables tables_;
  std::int64_t vertices_;
  const std::int32_t* vertex_of_;
  const float* share_of_;
  const std::int32_t* neighbours_;
  const std::int32_t* list_ends_;
  const std::int32_t* lists_;
};

}  // namespace osteon::dense_crf
