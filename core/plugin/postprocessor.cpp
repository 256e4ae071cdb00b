// SPDX-License-Identifier: Apache-2.0
#include "plugin/postprocessor.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "plugin/handle_support.hpp"
#include "plugin/type_table.hpp"

namespace osteon::plugin {

Postprocessor::Postprocessor(LoadedComponent component, const Parameters& parameters, const ClassContext& classes,
                             const Call& call, const PredictorResolver& resolver)
    : component_(std::move(component)), api_(component_.api<osteon_postprocessor_api>()) {
  const ValueArray values(component_.schema, parameters, classes, resolver);
  const auto names = name_pointers(classes.names);
  auto request = sdk::sized<osteon_postprocessor_request>();
  request.labels = labels_of(classes);
  request.n_classes = static_cast<std::int64_t>(names.size());
  request.class_names = names.data();
  request.mirrored = classes.mirrored.empty() ? nullptr : classes.mirrored.data();
  check_call(
      component_, "create",
      [&](osteon_error* error) { return api_.create(call.raw(), values.get(), &request, &post_, error); }, call.raw());
  if (post_ == nullptr) misbehaved(component_, "create", "returned OK without a post-processor");
  try {
    read_info();
    sdk::Beneath everything;
    everything.multiclass = classes.multiclass;
    if (const auto type = type_of(component_.schema, parameters, everything); type && !(*type == type_of(info_)))
      misbehaved(component_, "info", "does not agree with what `types` said of these parameters");
  } catch (...) {
    api_.destroy(post_);
    throw;
  }
}

void Postprocessor::read_info() {
  info_ = known_of(component_, "info", api_.info(post_), "its info", std::uint32_t{OSTEON_POSTPROCESSOR_FITS});
  if (info_.shape != OSTEON_POSTPROCESSOR_MAP && info_.shape != OSTEON_POSTPROCESSOR_WRAPPER)
    misbehaved(component_, "info", "has the shape " + std::to_string(info_.shape) + ", which is unknown here");
  if ((info_.flags & OSTEON_POSTPROCESSOR_FITS) != 0) fit_.emplace(component_, post_);
}

Postprocessor::~Postprocessor() { api_.destroy(post_); }

void Postprocessor::process(const osteon_call* call, const osteon_predictor& inner, std::uint64_t n,
                            const osteon_image* const* images, const osteon_predict_request& request,
                            osteon_prediction* const* predictions) const {
  try {
    check_call(
        component_, "process",
        [&](osteon_error* error) { return api_.process(call, post_, &inner, n, images, &request, predictions, error); },
        call);
  } catch (...) {
    // What failed gave nothing, whatever stands there.
    for (std::uint64_t i = 0; i < n; ++i) {
      predictions[i]->values = {};
      predictions[i]->values.struct_size = sizeof predictions[i]->values;
    }
    throw;
  }
  for (std::uint64_t i = 0; i < n; ++i) check_prediction(call, inner, *images[i], request, *predictions[i]);
}

void Postprocessor::check_prediction(const osteon_call* call, const osteon_predictor& inner, const osteon_image& image,
                                     const osteon_predict_request& request, const osteon_prediction& given) const {
  const osteon_prediction prediction = known_of(component_, "process", &given, "a prediction");
  const bool each = (request.flags & OSTEON_PREDICT_EACH) != 0;
  if (prediction.status != OSTEON_OK) {
    if (!each || prediction.status != OSTEON_BAD_INPUT)
      misbehaved(component_, "process", "gave an image the status " + std::to_string(prediction.status));
    if (prediction.values.release != nullptr)
      misbehaved(component_, "process", "refused an image and gave a prediction of it");
    return;
  }
  const bool on_image = request.grid == OSTEON_GRID_IMAGE;
  const osteon_tensor_view& pixels = image.pixels;
  check_values(call, "process", inner, on_image ? pixels.shape[0] : -1, on_image ? pixels.shape[1] : -1, request,
               prediction);
  const double identity[6] = {1, 0, 0, 0, 1, 0};
  if (on_image && !std::equal(identity, identity + 6, prediction.to_image))
    misbehaved(component_, "process",
               "gave a prediction on the image's grid whose to_image does not say that it lies there");
}

void Postprocessor::check_values(const osteon_call* call, const char* from, const osteon_predictor& inner,
                                 std::int64_t height, std::int64_t width, const osteon_predict_request& request,
                                 const osteon_prediction& prediction) const {
  if (prediction.form != request.form)
    misbehaved(
        component_, from,
        "gave form " + std::to_string(prediction.form) + " where " + std::to_string(request.form) + " was asked for");
  if (prediction.values.release == nullptr || prediction.values.view.ndim != 3)
    misbehaved(component_, from, "gave no [K, H, W] tensor");
  const std::int64_t classes = request.n_classes > 0 ? static_cast<std::int64_t>(request.n_classes) : inner.n_classes;
  const bool bits = request.form == OSTEON_FORM_BITS;
  std::vector<osteon_dtype> types = {bits ? sdk::dtype_of<std::int32_t>() : sdk::dtype_of<float>()};
  if (!bits && (request.elements & OSTEON_SET(OSTEON_ELEMENT_FLOAT16)) != 0)
    types.push_back({OSTEON_DTYPE_FLOAT, 16, 1});
  if (!bits && (request.elements & OSTEON_SET(OSTEON_ELEMENT_BFLOAT16)) != 0)
    types.push_back({OSTEON_DTYPE_BFLOAT, 16, 1});
  check_owned(component_, from, prediction.values, {bits ? (classes + 31) / 32 : classes, height, width}, types,
              call->device);
  if (sdk::element_count(prediction.values.view) == 0)
    misbehaved(component_, from, "gave a prediction without elements, " + sdk::shape_text(prediction.values.view));
  if (!std::all_of(prediction.to_image, prediction.to_image + 6, [](double m) { return std::isfinite(m); }))
    misbehaved(component_, from, "gave a to_image that is not finite");
}

std::optional<Postprocessor::Reading> Postprocessor::open(const osteon_call* call, const osteon_predictor& inner,
                                                          const osteon_image& image,
                                                          const osteon_predict_request& request) const {
  if (api_.open == nullptr) return std::nullopt;
  if (api_.read == nullptr || api_.close == nullptr) misbehaved(component_, "open", "cannot be read or closed");
  osteon_reading* handle = nullptr;
  check_call(
      component_, "open",
      [&](osteon_error* error) { return api_.open(call, post_, &inner, &image, &request, &handle, error); }, call);
  if (handle == nullptr) return std::nullopt;
  return Reading(this, handle, inner, image, request);
}

Postprocessor::Reading::Reading(const Postprocessor* owner, osteon_reading* handle, const osteon_predictor& inner,
                                const osteon_image& image, const osteon_predict_request& request)
    : owner_(owner), handle_(handle), inner_(&inner), width_(image.pixels.shape[1]), request_(request) {}

Postprocessor::Reading::Reading(Reading&& other) noexcept
    : owner_(other.owner_),
      handle_(std::exchange(other.handle_, nullptr)),
      inner_(other.inner_),
      width_(other.width_),
      request_(other.request_) {}

Postprocessor::Reading::~Reading() {
  if (handle_ != nullptr) owner_->api_.close(owner_->post_, handle_);
}

void Postprocessor::Reading::read(const osteon_call* call, std::int64_t rows, osteon_prediction& prediction) {
  try {
    check_call(
        owner_->component_, "read",
        [&](osteon_error* error) { return owner_->api_.read(call, owner_->post_, handle_, rows, &prediction, error); },
        call);
  } catch (...) {
    // What failed gave nothing, whatever stands there.
    prediction.values = {};
    prediction.values.struct_size = sizeof prediction.values;
    throw;
  }
  owner_->check_values(call, "read", *inner_, rows, width_, request_,
                       known_of(owner_->component_, "read", &prediction, "a prediction"));
}

}  // namespace osteon::plugin
