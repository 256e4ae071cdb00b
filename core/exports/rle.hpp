// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "data/labels.hpp"

// Run-length encoding as the competition (and Kaggle) reads it: "start length" pairs separated by spaces, pixels
// counted row by row from 1, an empty mask is an empty text. A run goes on from the end of a row to the start of the
// next.
namespace osteon::exports {

/// The runs of every class, in channel order. All classes of a plane are found in one pass, straight from the bits.
std::vector<std::string> encode_rle(const data::Labels& labels);
/// The runs of class `c`.
std::string encode_rle(const data::Labels& labels, int c);

/// Sets class `c` of `labels` at the runs of `text`; other classes and pixels stay. Runs must ascend and may touch.
/// Throws Error(kData), saying which pair, for anything that is not digits and spaces, a missing length, a start or
/// length of 0, runs that overlap or go back, and runs beyond the last pixel; `labels` is then as it was.
void decode_rle(std::string_view text, data::Labels& labels, int c);

}  // namespace osteon::exports
