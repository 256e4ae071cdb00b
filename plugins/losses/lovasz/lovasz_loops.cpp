// SPDX-License-Identifier: Apache-2.0
#include "lovasz_loops.hpp"

#include <osteon/sdk/vector_math.hpp>

namespace osteon::losses {

using namespace osteon::sdk;

OSTEON_MULTIVERSION void raise(const float* x, std::int64_t count, float* top) {
  OSTEON_VECTOR_LOOP
  for (std::int64_t i = 0; i < count; ++i) top[i] = vector_select(x[i] > top[i], x[i], top[i]);
}

OSTEON_MULTIVERSION void add_exponentials(const float* x, const float* top, std::int64_t count, float* sum) {
  OSTEON_VECTOR_LOOP
  for (std::int64_t i = 0; i < count; ++i) sum[i] += vector_exp(x[i] - top[i]);
}

OSTEON_MULTIVERSION void take_logarithms(std::int64_t count, float* sum) {
  OSTEON_VECTOR_LOOP
  for (std::int64_t i = 0; i < count; ++i) sum[i] = vector_log(sum[i]);
}

OSTEON_MULTIVERSION void probabilities(const float* x, const float* top, const float* log_sum, std::int64_t count,
                                       float* p) {
  OSTEON_VECTOR_LOOP
  for (std::int64_t i = 0; i < count; ++i) p[i] = vector_exp(x[i] - top[i] - log_sum[i]);
}

OSTEON_MULTIVERSION void add_products(const float* slope, const float* p, float scale, std::int64_t count,
                                      float* mean) {
  OSTEON_VECTOR_LOOP
  for (std::int64_t i = 0; i < count; ++i) mean[i] += scale * slope[i] * p[i];
}

OSTEON_MULTIVERSION void softmax_gradient(const float* slope, const float* p, const float* mean, float scale,
                                          std::int64_t count, float* gradient) {
  OSTEON_VECTOR_LOOP
  for (std::int64_t i = 0; i < count; ++i) gradient[i] = p[i] * (scale * slope[i] - mean[i]);
}

OSTEON_MULTIVERSION void scaled(const float* slope, float scale, std::int64_t count, float* gradient) {
  OSTEON_VECTOR_LOOP
  for (std::int64_t i = 0; i < count; ++i) gradient[i] = scale * slope[i];
}

}  // namespace osteon::losses
