// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "lattice.hpp"

namespace osteon::dense_crf {

/// Values on the vertices of a lattice. Each part of the image has sums of its own, which are added up in the order of
/// parts.
class Lattice::LatticeChannels final : public Channels {
 public:
  LatticeChannels(const sdk::Call&, const Lattice&, std::int64_t most);
  void divide(const Parts& parts) override { parts_ = parts.count(); }
  void splat(std::int64_t part, const Segment&, const float* weight, const Lanes* values) override;
  void blur(const sdk::Call&) override;
  void slice(std::int64_t part, const Segment&, const float* weight, Lanes* sums) const override;
  void raise_to_most(std::int64_t tile, Lanes& most) const override;

 private:
  const Lattice& lattice_;
  std::int64_t parts_ = 0, size_;  // vertices, and one that stays 0
  LaneBuffer sums_;                // of each part
  LaneBuffer blurred_, other_;
};

}  // namespace osteon::dense_crf
