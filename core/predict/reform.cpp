// SPDX-License-Identifier: Apache-2.0
#include "predict/reform.hpp"

#include <algorithm>
#include <cmath>

#include <osteon/sdk/call.hpp>
#include <osteon/sdk/parallel.hpp>

#include "predict/bit_planes.hpp"
#include "predict/resample.hpp"

namespace osteon::predict {
namespace {

constexpr float kLeast = 0x1p-24f;

float logit_of(float probability, bool multiclass) {
  const double p = static_cast<double>(std::clamp(probability, kLeast, 1 - kLeast));
  return static_cast<float>(multiclass ? std::log(p) : std::log(p) - std::log1p(-p));
}

void replace(OwnedPrediction& prediction, std::uint32_t form, sdk::OwnedTensor values) {
  prediction.set(std::move(values));
  prediction.raw().form = form;
}

// Of some classes, their own thresholds.
Decision for_request(const Decision& all, const osteon_predict_request& request) {
  if (request.n_classes == 0 || all.multiclass) return all;
  Decision some;
  for (std::uint64_t k = 0; k < request.n_classes; ++k)
    some.thresholds.push_back(all.thresholds[static_cast<std::size_t>(request.classes[k])]);
  return some;
}

std::int64_t asked_for(const Predictor& of, const osteon_predict_request& request) {
  return static_cast<std::int64_t>(request.n_classes > 0 ? request.n_classes : of.classes().names.size());
}

void decide_bits(const osteon_call* call, const Predictor& of, const osteon_predict_request& request,
                 std::int64_t height, std::int64_t width, const Decision& decision, OwnedPrediction& prediction) {
  // decide() reads float32.
  convert(call, of.raw(), make_request(prediction.raw().form, OSTEON_GRID_MODEL), height, width, prediction.raw());
  const data::Labels labels = decide(call, prediction.raw(), static_cast<int>(prediction.classes()), height, width,
                                     for_request(decision, request));
  sdk::OwnedTensor bits = bits_of(call, labels);
  if (decision.multiclass && request.n_classes > 0)
    bits = pick_bits(call, bits.view(), {request.classes, request.classes + request.n_classes}, {0, height});
  replace(prediction, OSTEON_FORM_BITS, std::move(bits));
  std::copy_n(sdk::Affine().m, 6, prediction.raw().to_image);
}

void make_logits(const osteon_call* raw, bool multiclass, OwnedPrediction& prediction) {
  float* values = prediction.data();
  const std::int64_t width = prediction.width();
  sdk::parallel_for(sdk::Call(raw), prediction.classes() * prediction.height(), [&](std::int64_t row, int) {
    for (std::int64_t x = row * width; x < (row + 1) * width; ++x) values[x] = logit_of(values[x], multiclass);
  });
  prediction.raw().form = OSTEON_FORM_LOGITS;
}

}  // namespace

void reform(const osteon_call* call, const Predictor& of, const osteon_predict_request& request, std::int64_t height,
            std::int64_t width, const Decision& decision, OwnedPrediction& prediction) {
  const std::uint32_t from = prediction.raw().form;
  if (request.form == OSTEON_FORM_BITS && from != OSTEON_FORM_BITS)
    return decide_bits(call, of, request, height, width, decision, prediction);
  if (request.form != OSTEON_FORM_BITS && from == OSTEON_FORM_BITS) {
    const bool logits = request.form == OSTEON_FORM_LOGITS, multiclass = of.classes().multiclass;
    const float set = logits ? logit_of(1, multiclass) : 1.0f, clear = logits ? logit_of(0, multiclass) : 0.0f;
    return replace(prediction, request.form,
                   floats_of_bits(call, prediction.view(), asked_for(of, request), set, clear));
  }
  osteon_predict_request wanted = request;
  const bool inverts = request.form == OSTEON_FORM_LOGITS && from == OSTEON_FORM_PROBABILITIES;
  if (inverts) {
    wanted.form = from;
    wanted.elements = 0;
  }
  convert(call, of.raw(), wanted, height, width, prediction.raw());
  if (inverts) make_logits(call, of.classes().multiclass, prediction);
}

}  // namespace osteon::predict
