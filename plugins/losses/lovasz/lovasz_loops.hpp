// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

/// The vector loops over a run of pixels of lovasz.cpp. A softmax is kept as the greatest logit of each pixel and the
/// logarithm of the sum of e^(x - top) over its classes: two planes, whatever the number of classes.
namespace osteon::losses {

/// top = the greatest of top and x.
void raise(const float* x, std::int64_t count, float* top);
/// sum += e^(x - top).
void add_exponentials(const float* x, const float* top, std::int64_t count, float* sum);
void take_logarithms(std::int64_t count, float* sum);
/// Of one class.
void probabilities(const float* x, const float* top, const float* log_sum, std::int64_t count, float* p);
/// mean += scale slope p.
void add_products(const float* slope, const float* p, float scale, std::int64_t count, float* mean);
/// gradient = p (scale slope - mean).
void softmax_gradient(const float* slope, const float* p, const float* mean, float scale, std::int64_t count,
                      float* gradient);
/// gradient = scale slope.
void scaled(const float* slope, float scale, std::int64_t count, float* gradient);

}  // namespace osteon::losses
