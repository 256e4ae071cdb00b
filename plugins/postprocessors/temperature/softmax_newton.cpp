// SPDX-License-Identifier: Apache-2.0
#include "softmax_newton.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include <osteon/sdk/parallel.hpp>

namespace osteon::temperature {
namespace {

constexpr std::int64_t kRun = 4096;
constexpr int kMostPasses = 40;  // Newton needs about six, halving a bracket twenty

/// Sums over some pixels.
struct Part {
  double slope = 0, curvature = 0;
  std::int64_t pixels = 0;
};

// The class of a pixel; -1 where it is not known to be exactly one.
std::int32_t class_of(const sdk::FitSample& sample, std::int64_t pixel) {
  if (!sample.known(pixel)) return -1;
  std::int32_t found = -1;
  for (std::uint64_t k = 0; k < sample.band.n_classes; ++k) {
    const std::int32_t c = sample.band.classes[k];
    if (!sample.is_set(c, pixel)) continue;
    if (found >= 0 || !sample.class_known(c)) return -1;
    found = c;
  }
  return found;
}

// d/da of a pixel's term is the mean of its logits under the softmax less the true one, and d2/da2 their variance.
void add_pixel(const float* logits, std::int64_t classes, std::int64_t plane, std::int32_t truth, double a,
               Part& part) {
  double greatest = -INFINITY;
  for (std::int64_t c = 0; c < classes; ++c) {
    const auto z = static_cast<double>(logits[c * plane]);
    if (!std::isfinite(z)) throw sdk::Error(OSTEON_FAILED, "a logit that it is fitted on is not finite");
    greatest = std::max(greatest, z);
  }
  double sum = 0, first = 0, second = 0;
  for (std::int64_t c = 0; c < classes; ++c) {
    const double z = static_cast<double>(logits[c * plane]) - greatest, weight = std::exp(a * z);
    sum += weight;
    first += weight * z;
    second += weight * z * z;
  }
  const double mean = first / sum;
  part.slope += mean - (static_cast<double>(logits[truth * plane]) - greatest);
  part.curvature += second / sum - mean * mean;
  ++part.pixels;
}

}  // namespace

void SoftmaxNewton::add(const sdk::Call& call, const sdk::FitSample& sample) {
  if (!begun_) {
    begun_ = true;
    slope_ = curvature_ = 0;
    pixels_ = 0;
  }
  const std::int64_t pixels = sample.pixels(), runs = (pixels + kRun - 1) / kRun;
  const auto classes = static_cast<std::int64_t>(sample.band.n_classes);
  const float* logits = sample.values(0, 0);
  std::vector<Part> parts(static_cast<std::size_t>(runs));
  sdk::parallel_for(call, runs, [&](std::int64_t run, int) {
    for (std::int64_t i = run * kRun; i < std::min(pixels, (run + 1) * kRun); ++i)
      if (const std::int32_t truth = class_of(sample, i); truth >= 0)
        add_pixel(logits + i, classes, pixels, truth, a_, parts[static_cast<std::size_t>(run)]);
  });
  for (const Part& part : parts) {
    slope_ += part.slope;
    curvature_ += part.curvature;
    pixels_ += part.pixels;
  }
}

bool SoftmaxNewton::step() {
  begun_ = false;
  if (pixels_ == 0) return false;
  (slope_ < 0 ? low_ : high_) = a_;
  const double newton = curvature_ > 0 ? a_ - slope_ / curvature_ : 0;
  const double next = newton > low_ && newton < high_ ? newton : std::sqrt(low_ * high_);
  const bool close = std::abs(next - a_) <= 1e-4 * a_;  // what is left is its square
  a_ = next;
  return !close && ++passes_ < kMostPasses;
}

}  // namespace osteon::temperature
