// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "plugin/postprocessor.hpp"

namespace osteon::predict {

/// Makes the service "osteon.resample/1" known to plugins: the one place where grids and forms of predictions change.
void install_resample_service();

/// The same for the host: brings `prediction` to the form and grid of `request`, in place. Throws sdk::Error.
void convert(const osteon_call* call, const osteon_predictor& of, const osteon_predict_request& request,
             std::int64_t height, std::int64_t width, osteon_prediction& prediction);

/// Takes some of a prediction's classes, in place. `classes` rise and are positions among the prediction's own.
void select_classes(const osteon_call* call, const osteon_predict_request& request, osteon_prediction& prediction);

/// An affine that only scales and shifts each axis; throws sdk::Unsupported for one that turns.
struct GridMap {
  double scale_x, offset_x, scale_y, offset_y;
};
GridMap grid_map(const osteon_prediction& prediction);

}  // namespace osteon::predict
