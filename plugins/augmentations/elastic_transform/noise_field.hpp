// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include <osteon/sdk/augmentation.hpp>

/// White noise, uniform in -1 .. 1 and one number a pixel, blurred by a Gaussian: the random field of Simard,
/// Steinkraus and Platt, "Best practices for convolutional neural networks applied to visual document analysis", ICDAR
/// 2003.
///
/// Nothing in such a field is finer than sigma, so that the noise is drawn on nodes that lie sigma apart, blurred by
/// what a cubic B-spline between the nodes does not blur, and scaled to the spread that a number a pixel would have
/// had. It has the same mean, spread and correlations (within a hundredth), and costs 1 / sigma^2 of the numbers.
namespace osteon::augmentations {

/// Two independent fields, sampled on a table over an image.
class NoiseField {
 public:
  /// Drawn from `random`, times `amplitude`; `sigma` in pixels, at least 0.5. The call's threads make it.
  NoiseField(const sdk::Call& call, sdk::Random& random, std::int64_t height, std::int64_t width, double sigma,
             double amplitude);

  /// Adds the first field to x and the second to y at each point; linear between the places of the table.
  void displace(std::uint64_t count, float* xy) const;
  /// The first field alone, to both.
  void displace_alike(std::uint64_t count, float* xy) const;

 private:
  std::int64_t step_;                 ///< pixels between places of the table: 1, or an eighth of sigma
  std::int64_t rows_ = 0, cols_ = 0;  ///< of the table
  sdk::OwnedTensor memory_;
  float* table_ = nullptr;  ///< [rows, cols, 2] in it
};

}  // namespace osteon::augmentations
