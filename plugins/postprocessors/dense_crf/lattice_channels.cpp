// SPDX-License-Identifier: Apache-2.0
#include "lattice_channels.hpp"

#include <algorithm>
#include <utility>

#include <osteon/sdk/parallel.hpp>

namespace osteon::dense_crf {
namespace {

constexpr std::int64_t kChunk = 4096;  // vertices that one thread works on at a time

struct SplatCorners {
  template <class V>
  static OSTEON_INLINE void run(const std::int32_t* vertex, const float* share, std::int64_t corners,
                                const float* weight, std::int64_t count, const Lanes* values, Lanes* sums) {
    for (std::int64_t i = 0; i < count; ++i) {
      const V value = as<V>(values)[i] * weight[i];
      for (std::int64_t r = 0; r < corners; ++r) as<V>(sums)[vertex[i * corners + r]] += value * share[i * corners + r];
    }
  }
};

struct SliceCorners {
  template <class V>
  static OSTEON_INLINE void run(const std::int32_t* vertex, const float* share, std::int64_t corners,
                                const float* weight, std::int64_t count, const Lanes* values, Lanes* sums) {
    for (std::int64_t i = 0; i < count; ++i) {
      V sum = V{};
      for (std::int64_t r = 0; r < corners; ++r) sum += as<V>(values)[vertex[i * corners + r]] * share[i * corners + r];
      as<V>(sums)[i] += sum * weight[i];
    }
  }
};

struct BlurAxis {
  template <class V>
  static OSTEON_INLINE void run(const std::int32_t* neighbours, std::int64_t first, std::int64_t end,
                                const Lanes* values, Lanes* out) {
    const V* from = as<V>(values);
    for (std::int64_t v = first; v < end; ++v)
      as<V>(out)[v] = from[v] * 0.5f + (from[neighbours[2 * v]] + from[neighbours[2 * v + 1]]) * 0.25f;
  }
};

// to = the sum over parts of `from`, which becomes 0.
struct TakeParts {
  template <class V>
  static OSTEON_INLINE void run(Lanes* all, std::int64_t parts, std::int64_t stride, std::int64_t first,
                                std::int64_t end, Lanes* to) {
    V* from = as<V>(all);
    for (std::int64_t v = first; v < end; ++v) {
      V sum = from[v];
      for (std::int64_t part = 1; part < parts; ++part) sum += from[part * stride + v];
      for (std::int64_t part = 0; part < parts; ++part) from[part * stride + v] = V{};
      as<V>(to)[v] = sum;
    }
  }
};

struct RaiseToListed {
  template <class V>
  static OSTEON_INLINE void run(const std::int32_t* list, std::int64_t count, const Lanes* values, Lanes* most) {
    V greatest = *as<V>(most);
    for (std::int64_t i = 0; i < count; ++i) raise(greatest, as<V>(values)[list[i]]);
    *as<V>(most) = greatest;
  }
};

}  // namespace

Lattice::LatticeChannels::LatticeChannels(const sdk::Call& call, const Lattice& lattice, std::int64_t most)
    : lattice_(lattice),
      size_(lattice.vertices_ + 1),
      sums_(call, most * size_),
      blurred_(call, size_),
      other_(call, size_) {
  const std::int64_t all = most * size_;
  sdk::parallel_for(call, (all + kChunk - 1) / kChunk, [&](std::int64_t c, int) {
    fill_zero(sums_.data() + c * kChunk, std::min(kChunk, all - c * kChunk));
  });
  blurred_.data()[size_ - 1] = other_.data()[size_ - 1] = Lanes{};
}

void Lattice::LatticeChannels::splat(std::int64_t part, const Segment& segment, const float* weight,
                                     const Lanes* values) {
  on_lanes<SplatCorners>(lattice_.vertex_of(segment.at), lattice_.share_of(segment.at), lattice_.corners_, weight,
                         segment.count, values, sums_.data() + part * size_);
}

void Lattice::LatticeChannels::slice(std::int64_t, const Segment& segment, const float* weight, Lanes* sums) const {
  on_lanes<SliceCorners>(lattice_.vertex_of(segment.at), lattice_.share_of(segment.at), lattice_.corners_, weight,
                         segment.count, static_cast<const Lanes*>(blurred_.data()), sums);
}

void Lattice::LatticeChannels::raise_to_most(std::int64_t tile, Lanes& most) const {
  const std::int32_t begin = tile > 0 ? lattice_.list_ends_[tile - 1] : 0;
  on_lanes<RaiseToListed>(lattice_.lists_ + begin, std::int64_t{lattice_.list_ends_[tile] - begin},
                          static_cast<const Lanes*>(blurred_.data()), &most);
}

void Lattice::LatticeChannels::blur(const sdk::Call& call) {
  const std::int64_t vertices = lattice_.vertices_, chunks = (vertices + kChunk - 1) / kChunk;
  sdk::parallel_for(call, chunks, [&](std::int64_t c, int) {
    on_lanes<TakeParts>(sums_.data(), parts_, size_, c * kChunk, std::min(vertices, (c + 1) * kChunk), blurred_.data());
  });
  for (std::int64_t axis = 0; axis < lattice_.corners_; ++axis) {
    sdk::parallel_for(call, chunks, [&](std::int64_t c, int) {
      on_lanes<BlurAxis>(lattice_.neighbours_ + 2 * axis * vertices, c * kChunk, std::min(vertices, (c + 1) * kChunk),
                         static_cast<const Lanes*>(blurred_.data()), other_.data());
    });
    std::swap(blurred_, other_);
  }
}

}  // namespace osteon::dense_crf
