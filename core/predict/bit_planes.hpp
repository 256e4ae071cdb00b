// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include <osteon/sdk/tensor.hpp>

#include "data/labels.hpp"
#include "predict/resample.hpp"

namespace osteon::predict {

/// Rows of some of the classes that are in bit planes `whole`, as bit planes of their own; -1 is a class that is not.
sdk::OwnedTensor pick_bits(const osteon_call* call, const osteon_tensor_view& whole,
                           const std::vector<std::int64_t>& from, RowRange rows);

/// Bit planes [ceil(classes / 32), height, width] of labels.
sdk::OwnedTensor bits_of(const osteon_call* call, const data::Labels& labels);

/// Float32 [classes, height, width] that is `set` where a class's bit is, else `clear`.
sdk::OwnedTensor floats_of_bits(const osteon_call* call, const osteon_tensor_view& bits, std::int64_t classes,
                                float set, float clear);

}  // namespace osteon::predict
