// SPDX-License-Identifier: Apache-2.0
#include "plugin/postprocessor.hpp"

#include "plugin/handle_support.hpp"

namespace osteon::plugin {

Postprocessor::Postprocessor(LoadedComponent component, const Parameters& parameters, const ClassContext& classes,
                             const Call& call, const PredictorResolver& resolver)
    : component_(std::move(component)) {
  const ValueArray values(component_.schema, parameters, classes, resolver);
  const auto names = name_pointers(classes.names);
  osteon_postprocessor_request request{};
  request.struct_size = sizeof request;
  request.labels = labels_of(classes);
  request.n_classes = static_cast<std::int64_t>(names.size());
  request.class_names = names.data();
  request.mirrored = classes.mirrored.empty() ? nullptr : classes.mirrored.data();
  check_call(component_, "create",
             [&](osteon_error* error) { return api().create(call.raw(), values.get(), &request, &post_, error); });
  if (post_ == nullptr) misbehaved(component_, "create", "returned OK without a post-processor");
  if (api().info(post_) == nullptr) {
    api().destroy(post_);
    misbehaved(component_, "info", "gave nothing");
  }
}

Postprocessor::~Postprocessor() { api().destroy(post_); }

const osteon_postprocessor_info& Postprocessor::info() const noexcept { return *api().info(post_); }

void Postprocessor::process(const osteon_call* call, const osteon_predictor& inner, std::uint64_t n,
                            const osteon_image* const* images, const osteon_predict_request& request,
                            osteon_prediction* const* predictions) const {
  check_call(component_, "process", [&](osteon_error* error) {
    return api().process(call, post_, &inner, n, images, &request, predictions, error);
  });
  for (std::uint64_t i = 0; i < n; ++i) {
    if (predictions[i]->form != request.form)
      misbehaved(component_, "process",
                 "gave form " + std::to_string(predictions[i]->form) + " where " + std::to_string(request.form) +
                     " was asked for");
    if (predictions[i]->values.release == nullptr || predictions[i]->values.view.ndim != 3)
      misbehaved(component_, "process", "gave no [K, H, W] tensor");
    const std::int64_t classes = request.n_classes > 0 ? static_cast<std::int64_t>(request.n_classes) : inner.n_classes;
    const bool bits = request.form == OSTEON_FORM_BITS, on_image = request.grid == OSTEON_GRID_IMAGE;
    const osteon_tensor_view& pixels = images[i]->pixels;
    check_owned(
        component_, "process", predictions[i]->values,
        {bits ? (classes + 31) / 32 : classes, on_image ? pixels.shape[0] : -1, on_image ? pixels.shape[1] : -1},
        {bits ? sdk::dtype_of<std::int32_t>() : sdk::dtype_of<float>()}, call->device);
  }
}

}  // namespace osteon::plugin
