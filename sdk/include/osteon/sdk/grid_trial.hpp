// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <numeric>
#include <string>
#include <vector>

#include <osteon/sdk/error.hpp>

/// For models that are known by running them alone, such as those that another program wrote: what they do to the sizes
/// of images.
namespace osteon::sdk {

/// Runs a network on `n` images of zeros, in training or inference mode, and gives the shapes of its outputs, the main
/// one first: all of them in training, at least the main one else. Throws when the network cannot do it.
using TrialRun = std::function<std::vector<std::vector<std::int64_t>>(std::int64_t n, std::int64_t height,
                                                                      std::int64_t width, bool training)>;

/// What a network is wanted to be. 0: to be found out.
struct TrialWish {
  std::int64_t n_classes = 1;
  std::int64_t stride = 0;             ///< of the main output
  std::int64_t size_multiple = 0;      ///< also the side of the trial's image, doubled up to 64 pixels
  std::int64_t height = 0, width = 0;  ///< of the only image that the network takes; 0: there are others
  std::size_t n_outputs = 1;
};

/// What a network is known to be after a few small images went through it.
struct Grid {
  std::int64_t size_multiple = 1;
  std::vector<std::int64_t> strides;  ///< input pixels per logit, one per output
};

namespace detail {

class GridTrial {
 public:
  GridTrial(const TrialRun& run, const TrialWish& wish) : run_(run), wish_(wish) {}

  Grid grid() const {
    const Size size = trial_size();
    const Shape main = outputs(1, size, false).at(0);
    Grid found;
    found.strides = {wish_.stride > 0 ? wish_.stride : stride_of(main, size)};
    if (!fits(main, size, found.strides[0]))
      throw InvalidArgument("stride is " + std::to_string(wish_.stride) + ", but " + became(main, size));
    found.size_multiple = wish_.height > 0          ? std::gcd(wish_.height, wish_.width)
                          : wish_.size_multiple > 0 ? wish_.size_multiple
                                                    : least_multiple(found.strides[0]);
    if (wish_.n_outputs == 1) return found;
    // Two images, because batch normalization of pooled maps needs more than one value a channel.
    const std::vector<Shape> all = outputs(2, size, true);
    for (std::size_t i = 1; i < all.size(); ++i) found.strides.push_back(stride_of(all[i], size));
    return found;
  }

 private:
  using Shape = std::vector<std::int64_t>;
  struct Size {
    std::int64_t height, width;
  };
  static constexpr std::int64_t kGreatestMultiple = 128;  // that is looked for
  static constexpr std::int64_t kLeastSide = 64;          // so that strides up to 64 show

  static std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }
  static bool fits(const Shape& shape, Size size, std::int64_t stride) {
    return shape[2] == ceil_div(size.height, stride) && shape[3] == ceil_div(size.width, stride);
  }
  static std::string became(const Shape& shape, Size size) {
    return "an image of " + std::to_string(size.height) + " x " + std::to_string(size.width) + " becomes logits of " +
           std::to_string(shape[2]) + " x " + std::to_string(shape[3]);
  }

  /// Sides that powers of two divide, as far as they may.
  Size trial_size() const {
    if (wish_.height > 0) return {wish_.height, wish_.width};
    std::int64_t side = wish_.size_multiple > 0 ? wish_.size_multiple : kGreatestMultiple;
    while (side < kLeastSide) side *= 2;
    return {side, side};
  }

  static std::int64_t stride_of(const Shape& shape, Size size) {
    const std::int64_t stride = size.height / std::max<std::int64_t>(shape[2], 1);
    if (shape[2] * stride != size.height || shape[3] * stride != size.width)
      throw InvalidArgument(became(shape, size) + ", which is no whole stride; say `stride`");
    return stride;
  }

  std::int64_t least_multiple(std::int64_t stride) const {
    for (std::int64_t multiple = 1; multiple < kGreatestMultiple; multiple *= 2) {
      const std::int64_t odd = kLeastSide / multiple | 1;
      const Size size{multiple * odd, multiple * (odd + 2)};
      try {
        if (fits(outputs(1, size, false).at(0), size, stride)) return multiple;
      } catch (const Cancelled&) {
        throw;
      } catch (const std::exception&) {
        // This multiple does not do; the next one may.
      }
    }
    // The one size that did may be the only one, or the logits' size a constant that fits it by chance.
    const Size other{kGreatestMultiple, 2 * kGreatestMultiple};
    const Shape shape = outputs(1, other, false).at(0);
    if (!fits(shape, other, stride))
      throw InvalidArgument(became(shape, other) + ", and the stride seemed to be " + std::to_string(stride) +
                            "; a network for one size alone is given by size_multiple");
    return kGreatestMultiple;
  }

  std::vector<Shape> outputs(std::int64_t n, Size size, bool training) const {
    const std::vector<Shape> shapes = run_(n, size.height, size.width, training);
    for (const Shape& shape : shapes) {
      if (shape.size() != 4 || shape[0] != n)
        throw InvalidArgument("the network gives an output of " + std::to_string(shape.size()) +
                              " dimensions, expected logits [N, classes, H, W]");
      if (shape[1] != wish_.n_classes)
        throw InvalidArgument("the network gives " + std::to_string(shape[1]) + " classes, data.classes has " +
                              std::to_string(wish_.n_classes));
    }
    return shapes;
  }

  const TrialRun& run_;
  const TrialWish& wish_;
};

}  // namespace detail

/// Finds the strides from one image, and as the size multiple the least power of two up to 128 whose odd multiples the
/// network maps to ceil(size / stride). What it refuses at sizes that were not tried stays unknown.
///
/// Throws what `run` throws at the first image; InvalidArgument when the network gives another number of classes, or
/// sizes from which no stride follows.
inline Grid find_grid(const TrialRun& run, const TrialWish& wish) { return detail::GridTrial(run, wish).grid(); }

}  // namespace osteon::sdk
