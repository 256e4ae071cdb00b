// SPDX-License-Identifier: Apache-2.0
#include "update.hpp"

namespace osteon::dense_crf {
namespace {

// The greatest over the blocks and lanes of a pixel.
OSTEON_INLINE float greatest_lane(const Lanes* values, std::int64_t blocks) {
  Lanes most = values[0];
  for (std::int64_t b = 1; b < blocks; ++b) most = greater(values[b * kTile], most);
  // Lanes are turned by 4, 2 and 1 and folded.
  Eight eight = most.low > most.high ? most.low : most.high;
  Eight other = __builtin_shufflevector(eight, eight, 4, 5, 6, 7, 0, 1, 2, 3);
  eight = eight > other ? eight : other;
  other = __builtin_shufflevector(eight, eight, 2, 3, 0, 1, 6, 7, 4, 5);
  eight = eight > other ? eight : other;
  return eight[0] > eight[1] ? eight[0] : eight[1];
}

OSTEON_INLINE float sum_lanes(const Lanes* values, std::int64_t blocks) {
  Lanes total = values[0];
  for (std::int64_t b = 1; b < blocks; ++b) total += values[b * kTile];
  Eight eight = total.low + total.high;
  eight += __builtin_shufflevector(eight, eight, 4, 5, 6, 7, 0, 1, 2, 3);
  eight += __builtin_shufflevector(eight, eight, 2, 3, 0, 1, 6, 7, 4, 5);
  return eight[0] + eight[1];
}

// values <- e^(values - greatest); returns the greatest.
OSTEON_INLINE float exponentiate(Lanes* values, std::int64_t blocks) {
  const float greatest = greatest_lane(values, blocks);
  for (std::int64_t b = 0; b < blocks; ++b) {
    float* lanes = floats(values + b * kTile);
    OSTEON_VECTOR_LOOP
    for (std::int64_t lane = 0; lane < kLanes; ++lane) lanes[lane] = sdk::vector_exp(lanes[lane] - greatest);
  }
  return greatest;
}

OSTEON_MULTIVERSION void sigmoid_all(float* values, std::int64_t count) {
  OSTEON_VECTOR_LOOP
  for (std::int64_t i = 0; i < count; ++i) values[i] = sdk::vector_sigmoid(values[i]).p;
}

OSTEON_MULTIVERSION void softmax_all(Lanes* values, std::int64_t blocks, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) {
    exponentiate(values + i, blocks);
    const float scale = 1 / sum_lanes(values + i, blocks);
    for (std::int64_t b = 0; b < blocks; ++b) values[b * kTile + i] = values[b * kTile + i] * scale;
  }
}

OSTEON_MULTIVERSION void log_softmax_all(Lanes* values, std::int64_t blocks, std::int64_t count, bool against_rest) {
  for (std::int64_t i = 0; i < count; ++i) {
    exponentiate(values + i, blocks);
    const float sum = sum_lanes(values + i, blocks);
    for (std::int64_t b = 0; b < blocks; ++b) {
      float* lanes = floats(values + b * kTile + i);
      for (std::int64_t lane = 0; lane < kLanes; ++lane) {
        const float p = lanes[lane], tiny = 1e-30f;
        const float least = sum * 1e-7f;  // of the rest: what rounding leaves of it
        const float rest = against_rest ? sdk::vector_select(sum - p < least, least, sum - p) : sum;
        lanes[lane] = sdk::vector_log(sdk::vector_select(p < tiny, tiny, p)) - sdk::vector_log(rest);
      }
    }
  }
}

OSTEON_MULTIVERSION void logits_of_all(float* values, std::int64_t count, bool exclusive) {
  constexpr float kLeast = 1e-7f, kMost = 1 - 6e-8f;
  OSTEON_VECTOR_LOOP
  for (std::int64_t i = 0; i < count; ++i) {
    float p = sdk::vector_select(values[i] < kLeast, kLeast, values[i]);
    p = sdk::vector_select(p > kMost, kMost, p);
    values[i] = sdk::vector_log(p) - (exclusive ? 0 : sdk::vector_log(1 - p));
  }
}

OSTEON_MULTIVERSION void add_all_up(const Lanes* values, std::int64_t count, Lanes& sum) {
  Lanes total = sum;
  for (std::int64_t i = 0; i < count; ++i) total += values[i];
  sum = total;
}

OSTEON_MULTIVERSION void write_all(const float* values, std::int64_t classes, std::int64_t count, std::int64_t plane,
                                   float* to) {
  for (std::int64_t c = 0; c < classes; ++c)
    for (std::int64_t i = 0; i < count; ++i) to[c * plane + i] = values[i * kLanes + c];
}

OSTEON_MULTIVERSION void scale_all(const float* plane, float scale, std::int64_t count, float* out) {
  for (std::int64_t i = 0; i < count; ++i) out[i] = scale * plane[i];
}

}  // namespace

void sigmoid(Lanes* values, std::int64_t count) { sigmoid_all(floats(values), count * kLanes); }

void softmax(Lanes* values, std::int64_t blocks, std::int64_t count) { softmax_all(values, blocks, count); }

void log_softmax(Lanes* values, std::int64_t blocks, std::int64_t count) {
  log_softmax_all(values, blocks, count, false);
}

void logits_of_softmax(Lanes* values, std::int64_t blocks, std::int64_t count) {
  log_softmax_all(values, blocks, count, true);
}

void logits_of_probabilities(float* values, std::int64_t count, bool exclusive) {
  logits_of_all(values, count, exclusive);
}

void add_up(const Lanes* values, std::int64_t count, Lanes& sum) { add_all_up(values, count, sum); }

void write_planes(const Lanes* values, std::int64_t classes, std::int64_t count, std::int64_t plane, float* to) {
  write_all(floats(values), classes, count, plane, to);
}

void scale_row(const float* plane, float scale, std::int64_t count, float* out) {
  if (plane != nullptr) return scale_all(plane, scale, count, out);
  for (std::int64_t i = 0; i < count; ++i) out[i] = scale;
}

}  // namespace osteon::dense_crf
