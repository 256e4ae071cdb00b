// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include <osteon/sdk/predictor.hpp>

namespace osteon::predict {

/// Makes the service "osteon.resample/1" known to plugins: the one place where grids, forms and element types of
/// predictions change.
void install_resample_service();

/// The same for the host: brings `prediction` to the form, grid and element types of `request`, in place. On failure it
/// is as it was. Throws sdk::Error.
void convert(const osteon_call* call, const osteon_predictor& of, const osteon_predict_request& request,
             std::int64_t height, std::int64_t width, osteon_prediction& prediction);

/// Takes some of a prediction's classes, in place. `classes` rise and are positions among the prediction's own.
void select_classes(const osteon_call* call, const osteon_predict_request& request, osteon_prediction& prediction);

/// Some rows of a height x width image's grid.
struct RowRange {
  std::int64_t first = 0, count = 0;
};
/// Rows of the image's grid of some planes of a prediction of floats, resized to it, as float32
/// [planes, rows, width] at `out`. A plane of -1 is filled with 0.
void resample_rows(const osteon_call* call, const osteon_prediction& prediction,
                   const std::vector<std::int64_t>& planes, RowRange rows, std::int64_t height, std::int64_t width,
                   float* out);

/// Logits [k, pixels] to probabilities, in place. Never fails once it has begun, so that nothing is left half done.
class Activation {
 public:
  Activation(const osteon_call* call, bool multiclass);
  void apply(float* values, std::int64_t k, std::int64_t pixels) noexcept;

 private:
  int threads_;
  bool multiclass_;
  std::vector<float> scratch_;
};

/// An affine that only scales and shifts each axis; throws sdk::Unsupported for one that turns, or is not finite.
struct GridMap {
  double scale_x, offset_x, scale_y, offset_y;
};
GridMap grid_map(const osteon_prediction& prediction);

}  // namespace osteon::predict
