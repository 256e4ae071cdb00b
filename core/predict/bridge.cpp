// SPDX-License-Identifier: Apache-2.0
#include "predict/bridge.hpp"

#include <utility>

#include "predict/finite.hpp"
#include "predict/reform.hpp"
#include "predict/resample.hpp"

namespace osteon::predict {
std::uint32_t form_to_decide(const Predictor& predictor) {
  const std::uint32_t forms = predictor.gives_forms();
  return (forms & OSTEON_SET(OSTEON_FORM_LOGITS)) != 0          ? OSTEON_FORM_LOGITS
         : (forms & OSTEON_SET(OSTEON_FORM_PROBABILITIES)) != 0 ? OSTEON_FORM_PROBABILITIES
                                                                : OSTEON_FORM_BITS;
}

std::uint32_t grid_to_decide(const Predictor& predictor) {
  return (predictor.gives_grids() & OSTEON_SET(OSTEON_GRID_MODEL)) != 0 ? OSTEON_GRID_MODEL : OSTEON_GRID_IMAGE;
}

Bridge::Bridge(std::shared_ptr<const Predictor> inner, std::uint32_t forms, Decision decision)
    : Predictor(inner->classes(), bridged(gives_of(*inner), forms), inner->thresholds()),
      inner_(std::move(inner)),
      decision_(std::move(decision)) {}

osteon_predict_request Bridge::beneath(const osteon_predict_request& request) const {
  osteon_predict_request below = request;
  below.form = form_to_decide(*inner_);
  below.elements = 0;
  if (request.form == OSTEON_FORM_BITS) below.grid = grid_to_decide(*inner_);
  // The greatest of all classes wins, and a softmax is one over all.
  if (decision_.multiclass && (request.form == OSTEON_FORM_BITS || below.form == OSTEON_FORM_LOGITS)) {
    below.n_classes = 0;
    below.classes = nullptr;
  }
  return below;
}

void Bridge::predict(const osteon_call* call, const std::vector<const osteon_image*>& images,
                     const osteon_predict_request& request, std::vector<OwnedPrediction>& predictions) const {
  const osteon_predict_request below = beneath(request);
  inner_->predict(call, images, below, predictions);
  for (std::size_t i = 0; i < images.size(); ++i) {
    if (predictions[i].refused()) continue;
    const osteon_tensor_view& pixels = images[i]->pixels;
    naming_not_finite(*inner_, *images[i], below, below.form, [&] {
      reform(call, *inner_, request, pixels.shape[0], pixels.shape[1], decision_, predictions[i]);
    });
    if (request.form != OSTEON_FORM_BITS) select_classes(call, request, predictions[i].raw());
  }
}

}  // namespace osteon::predict
