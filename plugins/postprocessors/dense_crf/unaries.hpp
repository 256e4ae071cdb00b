// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include <osteon/sdk/call.hpp>

#include "lanes.hpp"
#include "tiling.hpp"

namespace osteon::dense_crf {

/// Logits lie within +-16, that is probabilities from 1e-7: closer to certainty, sixteen bits would not tell any more,
/// and farther apart than usual weights, no message could ever overcome them.
constexpr float kLogitLimit = 16;

/// The network's say on kLanes classes, 16 bits each, pixel by pixel and tile by tile; a tile is copied from the
/// network's planes when it is first needed. In steps of 0.0005, where half floats would have up to 0.008.
class Unaries {
 public:
  /// Of planes [classes, height, width]. Classes exclude each other: logarithms of a softmax over all classes, up to
  /// the greatest of them.
  Unaries(const sdk::Call&, const Tiling&, const float* planes, std::int64_t classes, bool exclusive);
  /// Of classes [first, first + count) from now on, which `parts` parts of the image ask for.
  void restart(std::int64_t first, std::int64_t count, std::int64_t parts);

  /// The pixels of a segment, less `less[i]` (null: 0). [one thread for each part]
  void read(std::int64_t part, const Segment&, const float* less, Lanes* out);

 private:
  /// Memory for the tiles that a part has asked for.
  struct Room {
    std::vector<sdk::OwnedTensor> blocks;
    std::int64_t tiles = 0;
  };
  std::int16_t* take(Room&) const;
  void copy(std::int64_t tile, std::int16_t* to) const;

  const sdk::Call& call_;

  Tiling tiling_;
  const float* planes_;
  std::int64_t classes_, first_ = 0, count_ = 0;
  bool exclusive_;
  std::int64_t block_;  // tiles that are made room for at once
  std::vector<Room> rooms_;
  std::vector<std::int16_t*> copies_;  // of each tile; null: not asked for yet
};

/// The greatest logit of each class in each tile, within +-kLogitLimit: [tiles, padded classes], padded to whole Lanes
/// by -kLogitLimit. Throws BadInput where there is a NaN.
std::vector<float> greatest_logits(const sdk::Call&, const Tiling&, const float* planes, std::int64_t classes);

}  // namespace osteon::dense_crf
