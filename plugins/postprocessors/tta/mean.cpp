// SPDX-License-Identifier: Apache-2.0
#include "mean.hpp"

#include <algorithm>
#include <cmath>

namespace osteon::tta {
namespace {

using namespace osteon::sdk;

// Whether the grid lies symmetrically over its image, so that turning it back is exact.
bool covers_evenly(const Prediction& prediction, const osteon_tensor_view& pixels) {
  const double* m = prediction.raw().to_image;
  const auto even = [](double scale, double offset, std::int64_t grid, std::int64_t image) {
    return std::abs(2 * offset + scale * static_cast<double>(grid - 1) - static_cast<double>(image - 1)) <
           1e-6 * static_cast<double>(image);
  };
  return m[1] == 0 && m[3] == 0 && even(m[0], m[2], prediction.width(), pixels.shape[1]) &&
         even(m[4], m[5], prediction.height(), pixels.shape[0]);
}

}  // namespace

Mean::Mean(const Predictor& inner, const osteon_predict_request& asked, const osteon_tensor_view& pixels,
           std::size_t copies, std::size_t classes, bool turns)
    : inner_(inner),
      asked_(asked),
      height_(pixels.shape[0]),
      width_(pixels.shape[1]),
      classes_(static_cast<std::int64_t>(classes)),
      weight_(1.0f / static_cast<float>(copies)),
      on_image_(turns) {}

void Mean::to_image(const Call& call, std::int64_t height, std::int64_t width, Prediction& prediction) const {
  osteon_predict_request request = asked_;
  request.grid = OSTEON_GRID_IMAGE;
  inner_.convert(call, request, height, width, prediction);
}

void Mean::begin(const Call& call, const Prediction& first) {
  const std::int64_t height = on_image_ ? height_ : first.height(), width = on_image_ ? width_ : first.width();
  OwnedTensor zeros = call.allocate<float>({classes_, height, width});
  std::fill_n(zeros.data<float>(), element_count(zeros.view()), 0.0f);
  sum_.raw().form = asked_.form;
  std::copy_n(on_image_ ? Affine().m : first.raw().to_image, 6, sum_.raw().to_image);
  sum_.set(std::move(zeros));
}

void Mean::add(const Call& call, const Transform& transform, const osteon_tensor_view& pixels, Prediction said,
               const std::vector<std::int32_t>& classes) {
  call.stop_if_cancelled();
  const bool fits =
      covers_evenly(said, pixels) && (!begun() || (said.height() == sum_.height() && said.width() == sum_.width()));
  if (!fits && !on_image_) {
    if (begun()) to_image(call, height_, width_, sum_);
    on_image_ = true;
  }
  if (on_image_) to_image(call, pixels.shape[0], pixels.shape[1], said);
  if (!begun()) begin(call, said);
  const std::int64_t height = sum_.height(), width = sum_.width(), plane = height * width;
  const std::int32_t* end = asked_.classes + asked_.n_classes;
  for (std::size_t k = 0; k < classes.size(); ++k) {
    const std::int64_t at = std::lower_bound(asked_.classes, end, classes[k]) - asked_.classes;
    add_back(transform, said.data() + at * plane, height, width, weight_,
             sum_.data() + static_cast<std::int64_t>(k) * plane);
  }
}

}  // namespace osteon::tta
