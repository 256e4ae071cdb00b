// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include <osteon/sdk/loss.hpp>

/// The loops over pixels of overlap.cpp. A run is at most LossInput::kMaxRun pixels of one class.
namespace osteon::losses {

/// What a run, an image or a batch adds up to for one class.
struct OverlapSums {
  double overlap = 0;      ///< I
  double probability = 0;  ///< P
  double target = 0;       ///< T
  void add(const OverlapSums& other, double weight) {
    overlap += weight * other.overlap;
    probability += weight * other.probability;
    target += weight * other.target;
  }
};

/// d value / dp = w (by_target t + by_probability (p if squared, else 1)); of one class of one image, grad_scale
/// contained.
struct OverlapSlopes {
  float by_target = 0;
  float by_probability = 0;
};

/// From logits of a class on its own: the sums, and the gradient.
OverlapSums sigmoid_sums(const float* logits, sdk::BitRun run, std::int64_t count, bool squared);
OverlapSums sigmoid_sums(const float* logits, sdk::SoftRun run, std::int64_t count, bool squared);
void sigmoid_gradient(const float* logits, sdk::BitRun run, std::int64_t count, bool squared, OverlapSlopes slopes,
                      float* gradient);
void sigmoid_gradient(const float* logits, sdk::SoftRun run, std::int64_t count, bool squared, OverlapSlopes slopes,
                      float* gradient);

/// The same of p, not of its square, with p (1 - p) kept in `slopes` for the gradient, which then needs no exponential.
OverlapSums sigmoid_sums(const float* logits, sdk::BitRun run, std::int64_t count, float* slopes);
OverlapSums sigmoid_sums(const float* logits, sdk::SoftRun run, std::int64_t count, float* slopes);
void kept_gradient(const float* kept, sdk::BitRun run, std::int64_t count, OverlapSlopes slopes, float* gradient);
void kept_gradient(const float* kept, sdk::SoftRun run, std::int64_t count, OverlapSlopes slopes, float* gradient);

/// Softmax of `classes` rows in place; `scratch` holds 2 * count floats.
void softmax(float* rows, std::int64_t classes, std::int64_t count, float* scratch);
/// From its probabilities of one class: the sums.
OverlapSums softmax_sums(const float* p, sdk::BitRun run, std::int64_t count, bool squared);
OverlapSums softmax_sums(const float* p, sdk::SoftRun run, std::int64_t count, bool squared);
/// First half of the softmax's chain rule, but for the weight: row = d value / dp, mean += row * p.
void softmax_slope(const float* p, sdk::BitRun run, std::int64_t count, bool squared, OverlapSlopes slopes, float* row,
                   float* mean);
void softmax_slope(const float* p, sdk::SoftRun run, std::int64_t count, bool squared, OverlapSlopes slopes, float* row,
                   float* mean);
/// Second half: row = w p (row - mean), 0 where invalid.
void softmax_gradient(const float* p, const float* mean, sdk::BitRun run, std::int64_t count, float* row);
void softmax_gradient(const float* p, const float* mean, sdk::SoftRun run, std::int64_t count, float* row);

}  // namespace osteon::losses
