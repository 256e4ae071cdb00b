// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <stdexcept>

#include <osteon/sdk/call.hpp>
#include <osteon/sdk/predictor.hpp>

#include "base/error.hpp"
#include "predict/predictor.hpp"

namespace osteon::predict {

/// Whether one of these values is an infinity or NaN.
bool any_not_finite(const float* values, std::int64_t count);

/// A value of a prediction that is not finite: comparisons with NaN are false, so that a mask cannot tell it from
/// background. Whoever knows the image, the predictor and its classes makes an Error of it.
struct NotFinite : std::runtime_error {
  NotFinite(std::int64_t plane_of, std::int64_t row_of, std::int64_t column_of)
      : std::runtime_error("a value that is not finite"), plane(plane_of), row(row_of), column(column_of) {}
  std::int64_t plane, row, column;
};

/// Whether a request is answered with what a model gave, which nobody has read before.
inline bool is_as_the_model_gives(const osteon_predict_request& request) {
  return request.form == OSTEON_FORM_LOGITS && request.grid == OSTEON_GRID_MODEL;
}

/// Throws NotFinite for the first such value of logits or probabilities [K, H, W], a band from row `first_row` on. Bits
/// have none.
void expect_finite(const sdk::Call& call, const osteon_prediction& prediction, std::int64_t first_row = 0);

/// "model 'unet' gives logits of class 'Capitate' for image 'x' that are not finite".
Error not_finite_error(const Predictor& predictor, const osteon_image& image, const osteon_predict_request& request,
                       std::uint32_t form, const NotFinite& where);

/// Runs `work`, which reads what `predictor` said of `image`, and turns NotFinite into an Error(kPlugin) that names
/// them and the class.
/// @param request  which classes the prediction's planes are
template <class Work>
auto naming_not_finite(const Predictor& predictor, const osteon_image& image, const osteon_predict_request& request,
                       std::uint32_t form, Work&& work) {
  try {
    return work();
  } catch (const NotFinite& e) {
    throw not_finite_error(predictor, image, request, form, e);
  }
}

}  // namespace osteon::predict
