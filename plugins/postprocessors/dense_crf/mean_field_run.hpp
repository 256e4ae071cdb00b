// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <vector>

#include <osteon/sdk/pages.hpp>

#include "mean_field.hpp"
#include "unaries.hpp"

namespace osteon::dense_crf {

/// Inference over some groups of kLanes classes: over one where classes overlap, over all where they exclude each
/// other.
class MeanField::Run {
 public:
  Run(const sdk::Call&, const MeanField&, float* logits, std::int64_t classes);
  /// Classes [first, first + count), which begin a group.
  void infer(std::int64_t first, std::int64_t count);
  MeanFieldReport report() const;

 private:
  enum class Pass { kFirst, kMiddle, kLast };
  /// What a part has done, apart from the others.
  struct alignas(64) Tally {
    std::int64_t worked = 0, seen = 0;
    double left_out = 0;
    double change = 0;  ///< in this pass, of the mean of a tile, the greatest
  };
  using Group = std::vector<std::unique_ptr<Channels>>;  // of each kernel

  void prepare_tiles();
  void allocate(std::int64_t groups);
  Parts divide() const;
  void pass(Pass);
  void work_tile(std::int64_t part, std::int64_t tile, Pass);
  void work_segment(std::int64_t part, const Segment&, Pass, Lanes* values, Lanes* sums);
  double take_change(std::int64_t tile, const Lanes* sums);
  double change() const;
  void write_left_out(std::int64_t tile);
  float bound(std::int64_t tile, Pass) const;
  std::int64_t groups() const noexcept { return static_cast<std::int64_t>(unaries_.size()); }
  bool exclusive() const noexcept { return field_.options_.labels == Labels::kExclusive; }

  const sdk::Call& call_;
  const MeanField& field_;
  const Tiling& tiling_;
  float* logits_;
  std::int64_t classes_, padded_;
  std::vector<float> greatest_;    // of each tile and class, the network's logit
  sdk::PagesVector<float> pull_;   // of each pixel, sum of weight * filter(1): towards absence
  std::vector<float> least_pull_;  // of each tile
  std::vector<float> reach_;       // of each tile and kernel, 2 * weight * the greatest factor after the filter

  std::int64_t first_ = 0, count_ = 0;  // classes at work
  std::int64_t most_parts_;
  Parts parts_;
  std::vector<Unaries> unaries_;  // of each group
  std::vector<Group> channels_;
  LaneBuffer values_;     // of each part: a segment of each group
  LaneBuffer sums_;       // of each part: a tile of each group
  LaneBuffer tile_sums_;  // of each tile and group, in the last pass
  std::vector<Tally> tallies_;
  std::int64_t iterations_ = 0;
};

}  // namespace osteon::dense_crf
