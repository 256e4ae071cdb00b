// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <osteon/sdk/predictor.hpp>

#include "plugin/postprocessor.hpp"
#include "support/linked_plugin.hpp"

// A post-processor that is linked into the test, over planes of the test's own.
namespace osteon::test {

/// Gives stored planes [classes, height, width] on the image's grid, in one form; of those the classes that are asked
/// for. `Element` is float, or std::int32_t for bit planes.
template <class Element>
struct StoredPlanes {
  std::int64_t classes = 1, height = 0, width = 0;
  std::vector<Element> values;
  bool multiclass = false;
  std::uint32_t form = OSTEON_FORM_PROBABILITIES;

  osteon_predictor predictor() const {
    auto raw = sdk::sized<osteon_predictor>();
    raw.labels = multiclass ? OSTEON_LABELS_MULTICLASS : OSTEON_LABELS_MULTILABEL;
    raw.n_classes = classes;
    raw.host = const_cast<StoredPlanes*>(this);
    raw.predict = predict;
    raw.gives_forms = OSTEON_SET(form);
    raw.gives_grids = OSTEON_SET(OSTEON_GRID_IMAGE);
    return raw;
  }
  bool is_set(std::int64_t c, std::int64_t p) const {
    return (static_cast<std::uint32_t>(values[static_cast<std::size_t>(c / 32 * height * width + p)]) >> (c % 32) &
            1u) != 0;
  }

 private:
  static osteon_status predict(const osteon_call* call, const osteon_predictor* self, std::uint64_t n,
                               const osteon_image* const*, const osteon_predict_request* request,
                               osteon_prediction* const* predictions, osteon_error*) {
    const auto& me = *static_cast<const StoredPlanes*>(self->host);
    std::vector<std::int64_t> wanted(request->classes, request->classes + request->n_classes);
    for (std::int64_t c = 0; request->n_classes == 0 && c < me.classes; ++c) wanted.push_back(c);
    const bool bits = me.form == OSTEON_FORM_BITS;
    const auto count = static_cast<std::int64_t>(wanted.size()), pixels = me.height * me.width;
    for (std::uint64_t i = 0; i < n; ++i) {
      sdk::OwnedTensor out = sdk::Call(call).allocate<Element>({bits ? (count + 31) / 32 : count, me.height, me.width});
      Element* to = out.template data<Element>();
      std::fill_n(to, sdk::element_count(out.view()), Element{});
      for (std::int64_t k = 0; k < count; ++k)
        for (std::int64_t p = 0; p < pixels; ++p) {
          const std::int64_t c = wanted[static_cast<std::size_t>(k)];
          if constexpr (std::is_same_v<Element, std::int32_t>) {
            if (me.is_set(c, p)) to[k / 32 * pixels + p] |= static_cast<std::int32_t>(1u << (k % 32));
          } else {
            to[k * pixels + p] = me.values[static_cast<std::size_t>(c * pixels + p)];
          }
        }
      predictions[i]->form = me.form;
      predictions[i]->to_image[0] = predictions[i]->to_image[4] = 1;
      out.move_to(&predictions[i]->values);
    }
    return call->cancelled(call) != 0 ? OSTEON_CANCELLED : OSTEON_OK;
  }
};

/// What the linked post-processor `name` gives over them, for a request's `raw` call.
/// @param pixels   the image, [height, width, channels]; empty: grey
/// @param classes  that are asked for; none: all
template <class Element>
sdk::Prediction process(const osteon_call* raw, const std::string& name,
                        const std::map<std::string, plugin::ParameterValue>& parameters,
                        const StoredPlanes<Element>& inner, std::uint32_t gives, const std::vector<float>& pixels = {},
                        const std::vector<std::int32_t>& classes = {}) {
  const plugin::Call call(raw, {});
  const plugin::LoadedComponent component = linked_component(plugin::Kind::kPostprocessor, name);
  plugin::ClassContext context;
  context.multiclass = inner.multiclass;
  for (std::int64_t c = 0; c < inner.classes; ++c) context.names.push_back("c" + std::to_string(c));
  const plugin::Postprocessor post(component, parameters_of(component, parameters), context, call);
  const std::vector<float> grey(pixels.empty() ? static_cast<std::size_t>(inner.height * inner.width) : 0, 0.5f);
  const std::vector<float>& of_image = pixels.empty() ? grey : pixels;
  const std::int64_t channels = static_cast<std::int64_t>(of_image.size()) / (inner.height * inner.width);
  const sdk::BorrowedTensor view(of_image.data(), {inner.height, inner.width, channels});
  auto image = sdk::sized<osteon_image>();
  image.pixels = view.view();
  image.to_root[0] = image.to_root[4] = 1;
  const osteon_image* images[] = {&image};
  osteon_predict_request request = sdk::make_request(gives, OSTEON_GRID_IMAGE);
  request.n_classes = classes.size();
  request.classes = classes.data();
  sdk::Prediction prediction;
  osteon_prediction* out[] = {&prediction.raw()};
  post.process(call.raw(), inner.predictor(), 1, images, request, out);
  return prediction;
}

/// The same, for a call of its own.
template <class Element>
sdk::Prediction process(const std::string& name, const std::map<std::string, plugin::ParameterValue>& parameters,
                        const StoredPlanes<Element>& inner, std::uint32_t gives, const std::vector<float>& pixels = {},
                        const std::vector<std::int32_t>& classes = {}, int threads = 1) {
  plugin::CallOptions options;
  options.threads = threads;
  const plugin::Call call(std::move(options));
  return process(call.raw(), name, parameters, inner, gives, pixels, classes);
}

}  // namespace osteon::test
