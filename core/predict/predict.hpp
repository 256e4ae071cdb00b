// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "data/image.hpp"
#include "predict/decide.hpp"
#include "predict/predictor.hpp"
#include "recipe/recipe.hpp"

namespace osteon::predict {

/// The decision that a recipe asks for.
Decision decision_of(const recipe::Recipe& recipe);

/// Masks of an image at its own size. Takes the predictor's cheapest form: logits on the model's grid where it gives
/// them, then probabilities, then bits.
data::Labels predict_labels(const osteon_call* call, const Predictor& predictor, const data::Image& image,
                            const std::string& name, const Decision& decision);

/// Probabilities [K, H, W] of an image at its own size. Throws Error(kUsage) when the predictor gives bits alone.
OwnedPrediction predict_probabilities(const osteon_call* call, const Predictor& predictor, const data::Image& image,
                                      const std::string& name);

}  // namespace osteon::predict
