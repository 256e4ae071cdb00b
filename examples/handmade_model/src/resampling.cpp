// SPDX-License-Identifier: Apache-2.0
#include "resampling.hpp"

#include <osteon/sdk/parallel.hpp>

using osteon::sdk::Call;
using osteon::sdk::parallel_for;

namespace {

/// small = factor * (sum of the four pixels of large).
Planes sums_of_four(const Call& call, const Planes& large, float factor) {
  const std::int64_t channels = large.channels();
  Planes small(call, large.n(), channels, large.height() / 2, large.width() / 2);
  parallel_for(call, large.n() * channels, [&](std::int64_t i, int) {
    for (std::int64_t y = 0; y < small.height(); ++y) {
      const float *above = large.row(i / channels, i % channels, 2 * y), *below = above + large.pitch();
      float* out = small.row(i / channels, i % channels, y);
      for (std::int64_t x = 0; x < small.width(); ++x)
        out[x] = factor * (above[2 * x] + above[2 * x + 1] + below[2 * x] + below[2 * x + 1]);
    }
  });
  return small;
}

/// Each of the four pixels of large += factor * small.
void add_to_four(const Call& call, const Planes& small, float factor, Planes& large) {
  const std::int64_t channels = large.channels();
  parallel_for(call, large.n() * channels, [&](std::int64_t i, int) {
    for (std::int64_t y = 0; y < large.height(); ++y) {
      const float* in = small.row(i / channels, i % channels, y / 2);
      float* out = large.row(i / channels, i % channels, y);
      for (std::int64_t x = 0; x < small.width(); ++x) {
        out[2 * x] += factor * in[x];
        out[2 * x + 1] += factor * in[x];
      }
    }
  });
}

}  // namespace

Planes pooled(const Call& call, const Planes& x) { return sums_of_four(call, x, 0.25f); }
void add_pooled_gradient(const Call& call, const Planes& grad_pooled, Planes& grad_x) {
  add_to_four(call, grad_pooled, 0.25f, grad_x);
}

void add_repeated(const Call& call, const Planes& small, Planes& large) { add_to_four(call, small, 1, large); }
Planes repeated_gradient(const Call& call, const Planes& grad_large) { return sums_of_four(call, grad_large, 1); }
