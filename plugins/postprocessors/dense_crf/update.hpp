// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "lanes.hpp"
#include "tiling.hpp"

/// What mean field does with the logits of a segment, and the way back to planes.
namespace osteon::dense_crf {

/// Logits to probabilities of classes that overlap, in place.
void sigmoid(Lanes* values, std::int64_t count);
/// Logits to probabilities over all classes, in place: `blocks` times kTile Lanes.
void softmax(Lanes* values, std::int64_t blocks, std::int64_t count);
/// Logits to logarithms of those probabilities, or to logits of each class against the rest, in place.
void log_softmax(Lanes* values, std::int64_t blocks, std::int64_t count);
void logits_of_softmax(Lanes* values, std::int64_t blocks, std::int64_t count);

/// Probabilities to logits that a sigmoid, or a softmax over all classes, turns back, in place.
void logits_of_probabilities(float* values, std::int64_t count, bool exclusive);

/// Adds all of a segment to `sum`.
void add_up(const Lanes* values, std::int64_t count, Lanes& sum);

/// Writes `classes` of a segment to planes that are `plane` apart.
void write_planes(const Lanes* values, std::int64_t classes, std::int64_t count, std::int64_t plane, float* to);

/// out[i] = scale * plane[i], or scale where there is no plane.
void scale_row(const float* plane, float scale, std::int64_t count, float* out);

}  // namespace osteon::dense_crf
