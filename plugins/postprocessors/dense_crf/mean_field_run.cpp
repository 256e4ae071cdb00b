// SPDX-License-Identifier: Apache-2.0
#include "mean_field_run.hpp"

#include <algorithm>
#include <cmath>

#include <osteon/sdk/parallel.hpp>

#include "update.hpp"

namespace osteon::dense_crf {
namespace {

// Logit of the probability below which a class is taken to be absent: 1e-5. What a pixel hears of it is less than that
// times the weights, some 1e-4 of a logit.
constexpr float kAbsent = -11.513f;

std::size_t index(std::int64_t i) { return static_cast<std::size_t>(i); }

}  // namespace

MeanField::Run::Run(const sdk::Call& call, const MeanField& field, float* logits, std::int64_t classes)
    : call_(call),
      field_(field),
      tiling_(field.tiling_),
      logits_(logits),
      classes_(classes),
      padded_((classes + kLanes - 1) / kLanes * kLanes),
      greatest_(greatest_logits(call, tiling_, logits, classes)),
      most_parts_(tiling_.rows) {
  for (const Kernel& kernel : field_.kernels_)
    most_parts_ = std::min(most_parts_, kernel.filter->filter().most_parts());
  prepare_tiles();
}

void MeanField::Run::prepare_tiles() {
  const std::vector<Kernel>& kernels = field_.kernels_;
  if (exclusive()) return;
  pull_.resize(index(tiling_.stored()));
  least_pull_.resize(index(tiling_.tiles()));
  reach_.resize(index(tiling_.tiles()) * kernels.size());
  sdk::parallel_for(call_, tiling_.tiles(), [&](std::int64_t tile, int) {
    const Tile at = tiling_[tile];
    float least = INFINITY;
    for (std::int64_t row = 0; row < at.height; ++row)
      for (std::int64_t p = at.row(row).at; p < at.row(row).at + at.width; ++p) {
        float pull = 0;
        for (std::size_t k = 0; k < kernels.size(); ++k) {
          const float* after = kernels[k].filter->after();
          pull += kernels[k].weight * kernels[k].filter->of_ones()[p];
          float& reach = reach_[index(tile) * kernels.size() + k];
          reach = std::max(reach, 2 * kernels[k].weight * (after != nullptr ? after[p] : 1));
        }
        pull_[index(p)] = pull;
        least = std::min(least, pull);
      }
    least_pull_[index(tile)] = least;
  });
}

// Parts in which about as many tiles have something in them at first.
Parts MeanField::Run::divide() const {
  std::vector<double> work(index(tiling_.rows), 0.1 * static_cast<double>(tiling_.columns));
  for (std::int64_t tile = 0; tile < tiling_.tiles(); ++tile) {
    const float* greatest = greatest_.data() + tile * padded_ + first_;
    if (exclusive() || *std::max_element(greatest, greatest + count_) > kAbsent)
      work[index(tile / tiling_.columns)] += 1;
  }
  return even_parts(work, most_parts_);
}

// Once: groups of classes that follow each other work in the same memory.
void MeanField::Run::allocate(std::int64_t groups) {
  for (std::int64_t g = 0; g < groups; ++g) {
    unaries_.emplace_back(call_, tiling_, logits_, classes_, exclusive());
    channels_.emplace_back();
    for (const Kernel& kernel : field_.kernels_)
      channels_.back().push_back(kernel.filter->filter().channels(call_, most_parts_));
  }
  values_ = LaneBuffer(call_, most_parts_ * groups * kTile);
  sums_ = LaneBuffer(call_, most_parts_ * groups);
  if (field_.options_.stop_below > 0) tile_sums_ = LaneBuffer(call_, tiling_.tiles() * groups);
  tallies_.resize(index(most_parts_));
}

void MeanField::Run::infer(std::int64_t first, std::int64_t count) {
  first_ = first;
  count_ = count;
  parts_ = divide();
  if (unaries_.empty()) allocate((count + kLanes - 1) / kLanes);
  for (std::int64_t g = 0; g < groups(); ++g) {
    unaries_[index(g)].restart(first + g * kLanes, std::min(kLanes, count - g * kLanes), parts_.count());
    for (const auto& channels : channels_[index(g)]) channels->divide(parts_);
  }
  if (field_.options_.stop_below > 0) fill_zero(tile_sums_.data(), tiling_.tiles() * groups());
  pass(Pass::kFirst);
  bool last = false;
  for (std::int64_t i = 1; !last; ++i) {
    for (Group& group : channels_)
      for (const auto& channels : group) channels->blur(call_);
    iterations_ = std::max(iterations_, i);
    last = i >= field_.options_.iterations || (i > 1 && change() < field_.options_.stop_below);
    pass(last ? Pass::kLast : Pass::kMiddle);
  }
}

void MeanField::Run::pass(Pass pass) {
  sdk::parallel_for(call_, parts_.count(), [&](std::int64_t part, int) {
    tallies_[index(part)].change = 0;
    for (std::int64_t row = parts_.first[index(part)]; row < parts_.first[index(part + 1)]; ++row) {
      call_.stop_if_cancelled();
      for (std::int64_t tile = row * tiling_.columns; tile < (row + 1) * tiling_.columns; ++tile)
        work_tile(part, tile, pass);
    }
  });
}

// The greatest logit that this pass can come to in a tile.
float MeanField::Run::bound(std::int64_t tile, Pass pass) const {
  const std::size_t kernels = field_.kernels_.size();
  Lanes most = *reinterpret_cast<const Lanes*>(greatest_.data() + tile * padded_ + first_);
  float fall = 0;
  if (pass != Pass::kFirst) {
    for (std::size_t k = 0; k < kernels; ++k) {
      Lanes arrives = {};
      channels_[0][k]->raise_to_most(tile, arrives);
      const float reach = reach_[index(tile) * kernels + k];
      for (std::int64_t lane = 0; lane < kLanes; ++lane) floats(&most)[lane] += floats(&arrives)[lane] * reach;
    }
    fall = least_pull_[index(tile)];
  }
  return *std::max_element(floats(&most), floats(&most) + count_) - fall;
}

void MeanField::Run::work_tile(std::int64_t part, std::int64_t tile, Pass pass) {
  Tally& tally = tallies_[index(part)];
  Lanes* sums = sums_.data() + part * groups();
  const bool watched = field_.options_.stop_below > 0 && pass != Pass::kLast;
  fill_zero(sums, groups());
  ++tally.seen;
  if (!exclusive() && field_.options_.region_of_interest) {
    const float greatest = bound(tile, pass);
    if (greatest <= kAbsent) {
      tally.left_out = std::max(tally.left_out, std::exp(static_cast<double>(greatest)));
      if (pass == Pass::kLast) write_left_out(tile);
      if (watched) tally.change = std::max(tally.change, take_change(tile, sums));
      return;
    }
  }
  ++tally.worked;
  Lanes* values = values_.data() + part * groups() * kTile;
  for (std::int64_t row = 0; row < tiling_[tile].height; ++row)
    work_segment(part, tiling_[tile].row(row), pass, values, watched ? sums : nullptr);
  if (watched) tally.change = std::max(tally.change, take_change(tile, sums));
}

double MeanField::Run::take_change(std::int64_t tile, const Lanes* sums) {
  Lanes* before = tile_sums_.data() + tile * groups();
  float change = 0;
  for (std::int64_t i = 0; i < groups() * kLanes; ++i)
    change = std::max(change, std::abs(floats(sums)[i] - floats(before)[i]));
  std::copy_n(sums, groups(), before);
  return static_cast<double>(change) / static_cast<double>(tiling_[tile].height * tiling_[tile].width);
}

double MeanField::Run::change() const {
  double change = 0;
  for (std::int64_t part = 0; part < parts_.count(); ++part) change = std::max(change, tallies_[index(part)].change);
  return change;
}

void MeanField::Run::work_segment(std::int64_t part, const Segment& segment, Pass pass, Lanes* values, Lanes* sums) {
  const float scale = exclusive() ? 1 : 2;
  const float* pull = exclusive() || pass == Pass::kFirst ? nullptr : pull_.data() + segment.at;
  const std::vector<Kernel>& kernels = field_.kernels_;
  float factors[kTile];
  for (std::int64_t g = 0; g < groups(); ++g) unaries_[index(g)].read(part, segment, pull, values + g * kTile);
  for (std::size_t k = 0; k < kernels.size() && pass != Pass::kFirst; ++k) {
    const float* after = kernels[k].filter->after();
    scale_row(after != nullptr ? after + segment.at : nullptr, scale * kernels[k].weight, segment.count, factors);
    for (std::int64_t g = 0; g < groups(); ++g)
      channels_[index(g)][k]->slice(part, segment, factors, values + g * kTile);
  }
  if (pass == Pass::kLast) {
    if (exclusive()) (field_.options_.against_rest ? logits_of_softmax : log_softmax)(values, groups(), segment.count);
    for (std::int64_t g = 0; g < groups(); ++g) {
      const std::int64_t first = first_ + g * kLanes;
      write_planes(values + g * kTile, std::min(kLanes, first_ + count_ - first), segment.count, tiling_.pixels(),
                   logits_ + (first * tiling_.height + segment.y) * tiling_.width + segment.x);
    }
    return;
  }
  if (exclusive())
    softmax(values, groups(), segment.count);
  else
    sigmoid(values, segment.count);
  for (std::int64_t g = 0; g < groups() && sums != nullptr; ++g) add_up(values + g * kTile, segment.count, sums[g]);
  for (std::size_t k = 0; k < kernels.size(); ++k) {
    const float* before = kernels[k].filter->before();
    scale_row(before != nullptr ? before + segment.at : nullptr, 1, segment.count, factors);
    for (std::int64_t g = 0; g < groups(); ++g)
      channels_[index(g)][k]->splat(part, segment, factors, values + g * kTile);
  }
}

// Where nothing is to be heard of a class, it is drawn towards its absence. Where the network itself said so, its
// logits stay as they are.
void MeanField::Run::write_left_out(std::int64_t tile) {
  const Tile at = tiling_[tile];
  for (std::int64_t c = first_; c < first_ + count_; ++c) {
    if (greatest_[index(tile * padded_ + c)] <= kAbsent) continue;
    for (std::int64_t row = 0; row < at.height; ++row) {
      const Segment segment = at.row(row);
      float* logit = logits_ + (c * tiling_.height + segment.y) * tiling_.width + segment.x;
      for (std::int64_t i = 0; i < segment.count; ++i)
        logit[i] = std::max(logit[i], -kLogitLimit) - pull_[index(segment.at + i)];
    }
  }
}

MeanFieldReport MeanField::Run::report() const {
  MeanFieldReport report;
  report.iterations = iterations_;
  std::int64_t worked = 0, seen = 0;
  for (const Tally& tally : tallies_) {
    worked += tally.worked;
    seen += tally.seen;
    report.left_out = std::max(report.left_out, tally.left_out);
  }
  report.worked_share = seen > 0 ? static_cast<double>(worked) / static_cast<double>(seen) : 0;
  return report;
}

}  // namespace osteon::dense_crf
