// SPDX-License-Identifier: Apache-2.0
#include "overlap_loops.hpp"

#include <osteon/sdk/vector_math.hpp>

namespace osteon::losses {

using namespace osteon::sdk;

namespace {

constexpr std::int64_t kMaxRun = LossInput::kMaxRun;

/// p, or its square.
template <bool kSquared>
OSTEON_INLINE float power_of(float p) {
  return kSquared ? p * p : p;
}
/// Half of that one's derivative, or all of it.
template <bool kSquared>
OSTEON_INLINE float power_slope(float p) {
  return kSquared ? p : 1.0f;
}

/// The valid target pixels of a run; their squares, if asked.
template <bool kSquared>
OSTEON_INLINE double target_sum(const BitRun run, std::int64_t count, float*) {
  std::uint32_t sum = 0;
  for (std::int64_t i = 0; i < count; ++i)
    sum += (run.plane[i] >> run.bit) & static_cast<std::uint32_t>(run.valid[i] != 0);
  return sum;
}
template <bool kSquared>
OSTEON_INLINE double target_sum(const SoftRun run, std::int64_t count, float* buffer) {
  OSTEON_VECTOR_LOOP
  for (std::int64_t i = 0; i < count; ++i) buffer[i] = run.weigh(i, power_of<kSquared>(run.target[i]));
  return vector_sum(buffer, count);
}

/// Sums of a run of probabilities, given as such or (`kLogits`) to be made of logits.
template <bool kLogits, bool kSquared, class Run>
OSTEON_INLINE OverlapSums sums_loop(const float* in, const Run run, std::int64_t count) {
  alignas(64) float overlap[kMaxRun];
  alignas(64) float probability[kMaxRun];
  OSTEON_VECTOR_LOOP
  for (std::int64_t i = 0; i < count; ++i) {
    const float p = kLogits ? vector_sigmoid(in[i]).p : in[i];
    overlap[i] = run.weigh(i, run.mix(i, 0, p));
    probability[i] = run.weigh(i, power_of<kSquared>(p));
  }
  const double both = vector_sum(overlap, count);
  return {both, vector_sum(probability, count), target_sum<kSquared>(run, count, overlap)};
}
template <bool kLogits, class Run>
OSTEON_INLINE OverlapSums sum_run(const float* in, const Run run, std::int64_t count, bool squared) {
  return squared ? sums_loop<kLogits, true>(in, run, count) : sums_loop<kLogits, false>(in, run, count);
}

/// The sums of logits, and p (1 - p) of each pixel.
template <class Run>
OSTEON_INLINE OverlapSums keeping_sums_loop(const float* logits, const Run run, std::int64_t count, float* slopes) {
  alignas(64) float overlap[kMaxRun];
  alignas(64) float probability[kMaxRun];
  OSTEON_VECTOR_LOOP
  for (std::int64_t i = 0; i < count; ++i) {
    const Sigmoid s = vector_sigmoid(logits[i]);
    overlap[i] = run.weigh(i, run.mix(i, 0, s.p));
    probability[i] = run.weigh(i, s.p);
    slopes[i] = s.slope;
  }
  const double both = vector_sum(overlap, count);
  return {both, vector_sum(probability, count), target_sum<false>(run, count, overlap)};
}

template <class Run>
OSTEON_INLINE void kept_gradient_loop(const float* kept, const Run run, std::int64_t count, const OverlapSlopes slopes,
                                      float* gradient) {
  const float by_target = slopes.by_target, by_probability = slopes.by_probability;
  OSTEON_VECTOR_LOOP
  for (std::int64_t i = 0; i < count; ++i)
    gradient[i] = run.weigh(i, (run.mix(i, 0, by_target) + by_probability) * kept[i]);
}

template <bool kSquared, class Run>
OSTEON_INLINE void sigmoid_gradient_loop(const float* logits, const Run run, std::int64_t count,
                                         const OverlapSlopes slopes, float* gradient) {
  const float by_target = slopes.by_target, by_probability = slopes.by_probability;
  OSTEON_VECTOR_LOOP
  for (std::int64_t i = 0; i < count; ++i) {
    const Sigmoid s = vector_sigmoid(logits[i]);
    const float slope = run.mix(i, 0, by_target) + by_probability * power_slope<kSquared>(s.p);
    gradient[i] = run.weigh(i, slope * s.slope);
  }
}

template <bool kSquared, class Run>
OSTEON_INLINE void softmax_slope_loop(const float* p, const Run run, std::int64_t count, const OverlapSlopes slopes,
                                      float* row, float* mean) {
  const float by_target = slopes.by_target, by_probability = slopes.by_probability;
  OSTEON_VECTOR_LOOP
  for (std::int64_t i = 0; i < count; ++i) {
    row[i] = run.mix(i, 0, by_target) + by_probability * power_slope<kSquared>(p[i]);
    mean[i] += row[i] * p[i];
  }
}

template <class Run>
OSTEON_INLINE void softmax_gradient_loop(const float* p, const float* mean, const Run run, std::int64_t count,
                                         float* row) {
  OSTEON_VECTOR_LOOP
  for (std::int64_t i = 0; i < count; ++i) row[i] = run.weigh(i, p[i] * (row[i] - mean[i]));
}

}  // namespace

OSTEON_MULTIVERSION OverlapSums sigmoid_sums(const float* logits, BitRun run, std::int64_t count, float* slopes) {
  return keeping_sums_loop(logits, run, count, slopes);
}
OSTEON_MULTIVERSION OverlapSums sigmoid_sums(const float* logits, SoftRun run, std::int64_t count, float* slopes) {
  return keeping_sums_loop(logits, run, count, slopes);
}
OSTEON_MULTIVERSION void kept_gradient(const float* kept, BitRun run, std::int64_t count, OverlapSlopes slopes,
                                       float* gradient) {
  kept_gradient_loop(kept, run, count, slopes, gradient);
}
OSTEON_MULTIVERSION void kept_gradient(const float* kept, SoftRun run, std::int64_t count, OverlapSlopes slopes,
                                       float* gradient) {
  kept_gradient_loop(kept, run, count, slopes, gradient);
}

OSTEON_MULTIVERSION OverlapSums sigmoid_sums(const float* logits, BitRun run, std::int64_t count, bool squared) {
  return sum_run<true>(logits, run, count, squared);
}
OSTEON_MULTIVERSION OverlapSums sigmoid_sums(const float* logits, SoftRun run, std::int64_t count, bool squared) {
  return sum_run<true>(logits, run, count, squared);
}

OSTEON_MULTIVERSION void sigmoid_gradient(const float* logits, BitRun run, std::int64_t count, bool squared,
                                          OverlapSlopes slopes, float* gradient) {
  squared ? sigmoid_gradient_loop<true>(logits, run, count, slopes, gradient)
          : sigmoid_gradient_loop<false>(logits, run, count, slopes, gradient);
}
OSTEON_MULTIVERSION void sigmoid_gradient(const float* logits, SoftRun run, std::int64_t count, bool squared,
                                          OverlapSlopes slopes, float* gradient) {
  squared ? sigmoid_gradient_loop<true>(logits, run, count, slopes, gradient)
          : sigmoid_gradient_loop<false>(logits, run, count, slopes, gradient);
}

OSTEON_MULTIVERSION void softmax(float* rows, std::int64_t classes, std::int64_t count, float* scratch) {
  vector_log_softmax(rows, classes, count, count, scratch, scratch + count);
  OSTEON_VECTOR_LOOP
  for (std::int64_t i = 0; i < classes * count; ++i) rows[i] = vector_exp(rows[i]);
}

OSTEON_MULTIVERSION OverlapSums softmax_sums(const float* p, BitRun run, std::int64_t count, bool squared) {
  return sum_run<false>(p, run, count, squared);
}
OSTEON_MULTIVERSION OverlapSums softmax_sums(const float* p, SoftRun run, std::int64_t count, bool squared) {
  return sum_run<false>(p, run, count, squared);
}

OSTEON_MULTIVERSION void softmax_slope(const float* p, BitRun run, std::int64_t count, bool squared,
                                       OverlapSlopes slopes, float* row, float* mean) {
  squared ? softmax_slope_loop<true>(p, run, count, slopes, row, mean)
          : softmax_slope_loop<false>(p, run, count, slopes, row, mean);
}
OSTEON_MULTIVERSION void softmax_slope(const float* p, SoftRun run, std::int64_t count, bool squared,
                                       OverlapSlopes slopes, float* row, float* mean) {
  squared ? softmax_slope_loop<true>(p, run, count, slopes, row, mean)
          : softmax_slope_loop<false>(p, run, count, slopes, row, mean);
}

OSTEON_MULTIVERSION void softmax_gradient(const float* p, const float* mean, BitRun run, std::int64_t count,
                                          float* row) {
  softmax_gradient_loop(p, mean, run, count, row);
}
OSTEON_MULTIVERSION void softmax_gradient(const float* p, const float* mean, SoftRun run, std::int64_t count,
                                          float* row) {
  softmax_gradient_loop(p, mean, run, count, row);
}

}  // namespace osteon::losses
