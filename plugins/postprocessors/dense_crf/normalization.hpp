// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <utility>

#include <osteon/sdk/call.hpp>

#include "filter.hpp"

namespace osteon::dense_crf {

/// As pydensecrf's NormalizationType, with k = K 1 what arrives where 1 is everywhere:
///
///     none       x -> K x / mean(k)
///     before     x -> K (x / k)
///     after      x -> (K x) / k: a mean over the neighbourhood
///     symmetric  x -> n K (n x), n = 1 / sqrt(k)
enum class Normalization { kNone, kBefore, kAfter, kSymmetric };

/// What a filter's values are multiplied with before and after it, of each pixel.
class NormalizedFilter {
 public:
  /// Works out the factors.
  NormalizedFilter(const sdk::Call&, const Tiling&, const Filter&, Normalization);
  /// With take_factors() of an earlier one.
  NormalizedFilter(const Filter&, Normalization, sdk::OwnedTensor factors);

  const Filter& filter() const noexcept { return *filter_; }
  /// [2, Tiling::stored()]: 1 / k and the like; what filtering makes of 1 everywhere.
  sdk::OwnedTensor take_factors() noexcept { return std::move(factors_); }
  /// Of each pixel, as a Tiling stores them; null: all 1.
  const float* before() const;
  const float* after() const;
  const float* of_ones() const;

 private:
  void multiply_lines(const sdk::Call&, const Tiling&, float* factor, float* of_ones) const;

  const Filter* filter_;
  Normalization kind_;
  sdk::OwnedTensor factors_;
};

}  // namespace osteon::dense_crf
