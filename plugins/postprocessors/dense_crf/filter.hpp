// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <osteon/sdk/call.hpp>

#include "lanes.hpp"
#include "tiling.hpp"

namespace osteon::dense_crf {

/// Of an image.
enum class Side { kHeight, kWidth };

/// Values of kLanes classes on their way through a filter: divide(), then splat() everywhere, blur(), slice() anywhere,
/// as often as wanted. What splat() gets is forgotten by the next blur().
class Channels {
 public:
  virtual ~Channels() = default;

  /// How the image is divided from now on. Not between splat() and blur().
  virtual void divide(const Parts&) = 0;

  /// Adds weight[i] * values[i] at the i-th pixel of a segment, which lies in `part`. [one thread for each part]
  virtual void splat(std::int64_t part, const Segment&, const float* weight, const Lanes* values) = 0;
  /// Ends what was splatted.
  virtual void blur(const sdk::Call&) = 0;
  /// Adds weight[i] times what arrives at the i-th pixel to sums[i]. [one thread for each part]
  virtual void slice(std::int64_t part, const Segment&, const float* weight, Lanes* sums) const = 0;
  /// Raises `most` to what arrives at most at any pixel of a tile. What was splatted must not be negative.
  virtual void raise_to_most(std::int64_t tile, Lanes& most) const = 0;
};

/// Convolution of what lies on pixels with a Gaussian over their features, K in (K x)_i = sum_j k(f_i - f_j) x_j, up to
/// a factor that is the same everywhere. Made of an image once. The centre counts, as in pydensecrf.
class Filter {
 public:
  virtual ~Filter() = default;
  /// Memory for kLanes classes and divisions into up to `most` parts. Outlived by the filter.
  virtual std::unique_ptr<Channels> channels(const sdk::Call&, std::int64_t most) const = 0;
  /// More parts than these would cost too much memory.
  virtual std::int64_t most_parts() const = 0;

  /// Whether K is one filter along the height after another along the width.
  virtual bool separable() const noexcept { return false; }
  /// That filter, of values at the rows or columns of pixels. Where separable() alone.
  virtual std::vector<float> along(Side, const std::vector<float>& values) const { return values; }
};

}  // namespace osteon::dense_crf
