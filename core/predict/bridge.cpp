// SPDX-License-Identifier: Apache-2.0
#include "predict/bridge.hpp"

#include <algorithm>
#include <utility>

#include "predict/finite.hpp"
#include "predict/reading.hpp"
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
    : Predictor(inner->classes(), bridged(gives_of(*inner), forms), inner->thresholds(), inner->batch_size()),
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

namespace {

/// Bands of another form than those that are read.
class Reformed final : public Reading {
 public:
  Reformed(const Predictor& inner, const Decision& decision, const osteon_image& image,
           const osteon_predict_request& request, const osteon_predict_request& below, std::unique_ptr<Reading> bands)
      : Reading(image.pixels.shape[0]),
        inner_(inner),
        decision_(decision),
        image_(image),
        request_(request),
        below_(below),
        bands_(std::move(bands)) {}

 protected:
  OwnedPrediction next(const osteon_call* call, RowRange rows) override {
    OwnedPrediction band = bands_->read(call, rows.count);
    std::copy_n(sdk::Affine().m, 6, band.raw().to_image);  // it is an image of its own to what resizes
    const osteon_predict_request& wanted = request_.get();
    naming_not_finite(inner_, image_, below_.get(), below_.get().form,
                      [&] { reform(call, inner_, wanted, rows.count, image_.pixels.shape[1], decision_, band); });
    if (wanted.form != OSTEON_FORM_BITS) select_classes(call, wanted, band.raw());
    return band;
  }
  void pass(const osteon_call* call, RowRange rows) override { bands_->skip(call, rows.count); }

 private:
  const Predictor& inner_;
  const Decision& decision_;
  const osteon_image& image_;
  KeptRequest request_, below_;
  std::unique_ptr<Reading> bands_;
};

}  // namespace

std::unique_ptr<Reading> Bridge::open(const osteon_call* call, const osteon_image& image,
                                      const osteon_predict_request& request) const {
  osteon_predict_request below = beneath(request);
  // What is decided of a small grid takes no more room than the masks.
  if (below.grid == OSTEON_GRID_MODEL) return Predictor::open(call, image, request);
  return std::make_unique<Reformed>(*inner_, decision_, image, request, below, inner_->open(call, image, below));
}

}  // namespace osteon::predict
