// SPDX-License-Identifier: Apache-2.0
#include "lattice_channels.hpp"

#include <algorithm>
#include <utility>

#include <osteon/sdk/parallel.hpp>

namespace osteon::dense_crf {
namespace {

constexpr std::int64_t kChunk = 4096;  // vertices that one thread works on at a time

OSTEON_MULTIVERSION void splat_corners(const std::int32_t* vertex, const float* share, std::int64_t corners,
                                       const float* weight, std::int64_t count, const Lanes* values, Lanes* sums) {
  for (std::int64_t i = 0; i < count; ++i) {
    const Lanes value = values[i] * weight[i];
    for (std::int64_t r = 0; r < corners; ++r) sums[vertex[i * corners + r]] += value * share[i * corners + r];
  }
}

OSTEON_MULTIVERSION void slice_corners(const std::int32_t* vertex, const float* share, std::int64_t corners,
                                       const float* weight, std::int64_t count, const Lanes* values, Lanes* sums) {
  for (std::int64_t i = 0; i < count; ++i) {
    Lanes sum = {};
    for (std::int64_t r = 0; r < corners; ++r) sum += values[vertex[i * corners + r]] * share[i * corners + r];
    sums[i] += sum * weight[i];
  }
}

OSTEON_MULTIVERSION void blur_axis(const std::int32_t* neighbours, std::int64_t first, std::int64_t end,
                                   const Lanes* from, Lanes* to) {
  for (std::int64_t v = first; v < end; ++v)
    to[v] = from[v] * 0.5f + (from[neighbours[2 * v]] + from[neighbours[2 * v + 1]]) * 0.25f;
}

// to = the sum over parts of `from`, which becomes 0.
OSTEON_MULTIVERSION void take_parts(Lanes* from, std::int64_t parts, std::int64_t stride, std::int64_t first,
                                    std::int64_t end, Lanes* to) {
  for (std::int64_t v = first; v < end; ++v) {
    Lanes sum = from[v];
    for (std::int64_t part = 1; part < parts; ++part) sum += from[part * stride + v];
    for (std::int64_t part = 0; part < parts; ++part) from[part * stride + v] = Lanes{};
    to[v] = sum;
  }
}

OSTEON_MULTIVERSION void raise_to_listed(const std::int32_t* list, std::int64_t count, const Lanes* values,
                                         Lanes& most) {
  Lanes greatest = most;
  for (std::int64_t i = 0; i < count; ++i) greatest = greater(values[list[i]], greatest);
  most = greatest;
}

}  // namespace

Lattice::LatticeChannels::LatticeChannels(const sdk::Call& call, const Lattice& lattice, const Parts& parts)
    : lattice_(lattice),
      parts_(parts.count()),
      size_(lattice.vertices_ + 1),
      sums_(call, parts_ * size_),
      blurred_(call, size_),
      other_(call, size_) {
  sdk::parallel_for(call, parts_, [&](std::int64_t p, int) { fill_zero(sums_.data() + p * size_, size_); });
  blurred_.data()[size_ - 1] = other_.data()[size_ - 1] = Lanes{};
}

void Lattice::LatticeChannels::splat(std::int64_t part, const Segment& segment, const float* weight,
                                     const Lanes* values) {
  splat_corners(lattice_.vertex_of(segment.at), lattice_.share_of(segment.at), lattice_.corners_, weight, segment.count,
                values, sums_.data() + part * size_);
}

void Lattice::LatticeChannels::slice(std::int64_t, const Segment& segment, const float* weight, Lanes* sums) const {
  slice_corners(lattice_.vertex_of(segment.at), lattice_.share_of(segment.at), lattice_.corners_, weight, segment.count,
                blurred_.data(), sums);
}

void Lattice::LatticeChannels::raise_to_most(std::int64_t tile, Lanes& most) const {
  const std::int32_t begin = tile > 0 ? lattice_.list_ends_[tile - 1] : 0;
  raise_to_listed(lattice_.lists_ + begin, lattice_.list_ends_[tile] - begin, blurred_.data(), most);
}

void Lattice::LatticeChannels::blur(const sdk::Call& call) {
  const std::int64_t vertices = lattice_.vertices_, chunks = (vertices + kChunk - 1) / kChunk;
  sdk::parallel_for(call, chunks, [&](std::int64_t c, int) {
    take_parts(sums_.data(), parts_, size_, c * kChunk, std::min(vertices, (c + 1) * kChunk), blurred_.data());
  });
  for (std::int64_t axis = 0; axis < lattice_.corners_; ++axis) {
    sdk::parallel_for(call, chunks, [&](std::int64_t c, int) {
      blur_axis(lattice_.neighbours_ + 2 * axis * vertices, c * kChunk, std::min(vertices, (c + 1) * kChunk),
                blurred_.data(), other_.data());
    });
    std::swap(blurred_, other_);
  }
}

}  // namespace osteon::dense_crf
