// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <osteon/sdk/predictor.hpp>

#include "predict/decide.hpp"
#include "predict/predictor.hpp"

namespace osteon::predict {

/// Brings a prediction of the classes that `request` is for to its form, grid and element types, in place, from
/// whatever form it has. Beyond what convert() does:
///
///  - bits are decided of floats, on the image's grid;
///  - of bits, a probability is 1 or 0;
///  - of a probability p, a logit is log(p / (1 - p)), of multiclass data log(p), which the sigmoid and the softmax
///  undo.
///    So that it is finite, p is at least 2^-24, and at most 1 - 2^-24, as near to 0 and 1 as float32 tells from them.
///
/// Where exactly one class holds for a pixel, what bits are decided of has all classes.
/// @param decision  of all classes of `of`
void reform(const osteon_call* call, const Predictor& of, const osteon_predict_request& request, std::int64_t height,
            std::int64_t width, const Decision& decision, OwnedPrediction& prediction);

}  // namespace osteon::predict
