// SPDX-License-Identifier: Apache-2.0
#include "normalization.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include <osteon/sdk/parallel.hpp>

#include "lanes.hpp"

using osteon::sdk::Call;
using osteon::sdk::parallel_for;

// Kernels run over extents, frame and all: there are zeros, which do not change a sum.
namespace {

constexpr float kEpsilon = 1e-5f;

OSTEON_MULTIVERSION float sum(const float* x, std::int64_t count) {
  Lanes sums = {}, terms;
  for (std::int64_t p = 0; p < count; p += kLanes) {
    load(x + p, &terms);
    sums += terms;
  }
  return sum_of(sums);
}

OSTEON_MULTIVERSION float sum_of_products(const float* a, const float* b, std::int64_t count) {
  Lanes sums = {}, left, right;
  for (std::int64_t p = 0; p < count; p += kLanes) {
    load(a + p, &left);
    load(b + p, &right);
    sums += left * right;
  }
  return sum_of(sums);
}

OSTEON_MULTIVERSION void add(float number, std::int64_t count, float* x) {
  OSTEON_VECTOR_LOOP
  for (std::int64_t p = 0; p < count; ++p) x[p] += number;
}

/// h = scale x, y = max(0, gamma h + beta); h and y may be x. NaN stays NaN.
OSTEON_MULTIVERSION void scale_and_clip(const float* x, float scale, float gamma, float beta, std::int64_t count,
                                        float* h, float* y) {
  OSTEON_VECTOR_LOOP
  for (std::int64_t p = 0; p < count; ++p) {
    const float scaled = scale * x[p], z = gamma * scaled + beta;
    h[p] = scaled;
    y[p] = z < 0 ? 0.0f : z;
  }
}

/// Zeros the gradient where ReLU gave zero.
OSTEON_MULTIVERSION void clip_gradient(const float* h, float gamma, float beta, std::int64_t count, float* grad) {
  OSTEON_VECTOR_LOOP
  for (std::int64_t p = 0; p < count; ++p) grad[p] = gamma * h[p] + beta < 0 ? 0.0f : grad[p];
}

/// grad = factor (grad - mean - h slope).
OSTEON_MULTIVERSION void project(const float* h, float factor, float mean, float slope, std::int64_t count,
                                 float* grad) {
  OSTEON_VECTOR_LOOP
  for (std::int64_t p = 0; p < count; ++p) grad[p] = factor * (grad[p] - mean - h[p] * slope);
}

}  // namespace

Normalization::Normalization(Parameters& parameters, const std::string& name, std::int64_t channels)
    : gamma(parameters.add(name + ".gamma", {channels})), beta(parameters.add(name + ".beta", {channels})) {
  std::fill_n(gamma.value, channels, 1.0f);
}

Planes Normalization::forward(const Call& call, Planes x, Tape* tape) const {
  const std::int64_t channels = x.channels(), extent = x.extent();
  const float pixels = static_cast<float>(x.height() * x.width());
  Planes kept;
  if (tape != nullptr) {
    kept = Planes(call, x.n(), channels, x.height(), x.width());
    tape->inverse_deviation.resize(static_cast<std::size_t>(x.n() * channels));
  }
  parallel_for(call, x.n() * channels, [&](std::int64_t i, int) {
    const std::int64_t image = i / channels, c = i % channels;
    float* plane = x.plane(image, c);
    add(-sum(plane, extent) / pixels, extent, plane);
    x.seal(image, c);
    const float scale = 1 / std::sqrt(sum_of_products(plane, plane, extent) / pixels + kEpsilon);
    float* h = tape != nullptr ? kept.plane(image, c) : plane;
    scale_and_clip(plane, scale, gamma.value[c], beta.value[c], extent, h, plane);
    x.seal(image, c);  // beta is there too now
    if (tape != nullptr) tape->inverse_deviation[static_cast<std::size_t>(i)] = scale;
  });
  if (tape != nullptr) tape->h = std::move(kept);
  return x;
}

Planes Normalization::backward(const Call& call, const Tape& tape, Planes grad) const {
  const std::int64_t channels = grad.channels(), extent = grad.extent();
  const float pixels = static_cast<float>(grad.height() * grad.width());
  parallel_for(call, channels, [&](std::int64_t c, int) {
    float of_gamma = 0, of_beta = 0;
    for (std::int64_t image = 0; image < grad.n(); ++image) {
      const float* h = tape.h.plane(image, c);
      float* plane = grad.plane(image, c);
      clip_gradient(h, gamma.value[c], beta.value[c], extent, plane);
      const float total = sum(plane, extent), along = sum_of_products(plane, h, extent);
      of_beta += total;
      of_gamma += along;
      const float scale = tape.inverse_deviation[static_cast<std::size_t>(image * channels + c)];
      project(h, gamma.value[c] * scale, total / pixels, along / pixels, extent, plane);
      grad.seal(image, c);
    }
    if (gamma.trained()) gamma.grad[c] += of_gamma;
    if (beta.trained()) beta.grad[c] += of_beta;
  });
  return grad;
}
