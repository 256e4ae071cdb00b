// SPDX-License-Identifier: Apache-2.0
#include "dice_loops.hpp"

#include <osteon/sdk/vector_math.hpp>

namespace osteon::losses {

using namespace osteon::sdk;

namespace {

constexpr std::int64_t kMaxRun = LossInput::kMaxRun;

/// The valid target pixels of a run; their squares, if asked.
OSTEON_INLINE double target_sum(const BitRun run, std::int64_t count, bool, float*) {
  std::uint32_t sum = 0;
  for (std::int64_t i = 0; i < count; ++i)
    sum += (run.plane[i] >> run.bit) & static_cast<std::uint32_t>(run.valid[i] != 0);
  return sum;
}
OSTEON_INLINE double target_sum(const SoftRun run, std::int64_t count, bool squared, float* buffer) {
  OSTEON_VECTOR_LOOP
  for (std::int64_t i = 0; i < count; ++i)
    buffer[i] = run.weigh(i, run.target[i] * vector_select(squared, run.target[i], 1));
  return vector_sum(buffer, count);
}

/// Sums of a run of probabilities, given as such or (`kLogits`) to be made of logits.
template <bool kLogits, class Run>
OSTEON_INLINE DiceSums sum_run(const float* in, const Run run, std::int64_t count, bool squared) {
  alignas(64) float overlap[kMaxRun];
  alignas(64) float probability[kMaxRun];
  OSTEON_VECTOR_LOOP
  for (std::int64_t i = 0; i < count; ++i) {
    const float p = kLogits ? vector_sigmoid(in[i]).p : in[i];
    overlap[i] = run.weigh(i, run.mix(i, 0, p));
    probability[i] = run.weigh(i, p * vector_select(squared, p, 1));
  }
  const double both = vector_sum(overlap, count);
  return {both, vector_sum(probability, count), target_sum(run, count, squared, overlap)};
}

template <class Run>
OSTEON_INLINE void sigmoid_gradient_loop(const float* logits, const Run run, std::int64_t count, bool squared,
                                         const DiceSlopes slopes, float* gradient) {
  const float by_target = slopes.by_target, by_probability = slopes.by_probability;
  OSTEON_VECTOR_LOOP
  for (std::int64_t i = 0; i < count; ++i) {
    const Sigmoid s = vector_sigmoid(logits[i]);
    const float slope = run.mix(i, 0, by_target) + by_probability * vector_select(squared, s.p, 1);
    gradient[i] = run.weigh(i, slope * s.p * s.q);
  }
}

template <class Run>
OSTEON_INLINE void softmax_slope_loop(const float* p, const Run run, std::int64_t count, bool squared,
                                      const DiceSlopes slopes, float* row, float* mean) {
  const float by_target = slopes.by_target, by_probability = slopes.by_probability;
  OSTEON_VECTOR_LOOP
  for (std::int64_t i = 0; i < count; ++i) {
    row[i] = run.mix(i, 0, by_target) + by_probability * vector_select(squared, p[i], 1);
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

bool any_target(BitRun run, std::int64_t count) {
  std::uint32_t any = 0;
  for (std::int64_t i = 0; i < count; ++i) any |= run.valid[i] != 0 ? (run.plane[i] >> run.bit) & 1u : 0u;
  return any != 0;
}
bool any_target(SoftRun run, std::int64_t count) {
  bool any = false;
  for (std::int64_t i = 0; i < count; ++i) any = any || (run.weight[i] != 0 && run.target[i] > 0);
  return any;
}

OSTEON_MULTIVERSION DiceSums sigmoid_sums(const float* logits, BitRun run, std::int64_t count, bool squared) {
  return sum_run<true>(logits, run, count, squared);
}
OSTEON_MULTIVERSION DiceSums sigmoid_sums(const float* logits, SoftRun run, std::int64_t count, bool squared) {
  return sum_run<true>(logits, run, count, squared);
}

OSTEON_MULTIVERSION void sigmoid_gradient(const float* logits, BitRun run, std::int64_t count, bool squared,
                                          DiceSlopes slopes, float* gradient) {
  sigmoid_gradient_loop(logits, run, count, squared, slopes, gradient);
}
OSTEON_MULTIVERSION void sigmoid_gradient(const float* logits, SoftRun run, std::int64_t count, bool squared,
                                          DiceSlopes slopes, float* gradient) {
  sigmoid_gradient_loop(logits, run, count, squared, slopes, gradient);
}

OSTEON_MULTIVERSION void softmax(float* rows, std::int64_t classes, std::int64_t count, float* scratch) {
  vector_log_softmax(rows, classes, count, count, scratch, scratch + count);
  OSTEON_VECTOR_LOOP
  for (std::int64_t i = 0; i < classes * count; ++i) rows[i] = vector_exp(rows[i]);
}

OSTEON_MULTIVERSION DiceSums softmax_sums(const float* p, BitRun run, std::int64_t count, bool squared) {
  return sum_run<false>(p, run, count, squared);
}
OSTEON_MULTIVERSION DiceSums softmax_sums(const float* p, SoftRun run, std::int64_t count, bool squared) {
  return sum_run<false>(p, run, count, squared);
}

OSTEON_MULTIVERSION void softmax_slope(const float* p, BitRun run, std::int64_t count, bool squared, DiceSlopes slopes,
                                       float* row, float* mean) {
  softmax_slope_loop(p, run, count, squared, slopes, row, mean);
}
OSTEON_MULTIVERSION void softmax_slope(const float* p, SoftRun run, std::int64_t count, bool squared, DiceSlopes slopes,
                                       float* row, float* mean) {
  softmax_slope_loop(p, run, count, squared, slopes, row, mean);
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
