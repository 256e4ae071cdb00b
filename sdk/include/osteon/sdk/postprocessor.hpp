// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include <osteon/abi/postprocessor.h>
#include <osteon/sdk/plugin.hpp>
#include <osteon/sdk/predictor.hpp>
#include <osteon/sdk/request_check.hpp>

/// Post-processors: a class that predicts through another predictor.
///
///     class MyPost {
///      public:
///       struct Params { ... static void schema(Schema<Params>&); };
///       MyPost(const Params&, const PostprocessorRequest&);
///       PostprocessorTraits traits() const;
///       std::vector<Prediction> process(const Call&, const Predictor& inner, const std::vector<const osteon_image*>&
///       images,
///                                       const osteon_predict_request&) const;
///     };
///     OSTEON_PLUGIN("my_post", "1.0.0", osteon::sdk::postprocessor<MyPost>({"my_post", "1.0.0", "..."}))
namespace osteon::sdk {

/// What the data asks of a post-processor.
struct PostprocessorRequest {
  bool multiclass = false;
  std::vector<std::string> class_names;
  std::vector<std::int32_t> mirrored;  ///< class that c becomes in a mirrored image; empty: each stays what it is
};

/// What it asks of its inner predictor and what it can be asked for: sets of forms and grids. The default: takes and
/// gives logits and probabilities on both grids.
struct PostprocessorTraits {
  static constexpr std::uint32_t kFloats = OSTEON_SET(OSTEON_FORM_LOGITS) | OSTEON_SET(OSTEON_FORM_PROBABILITIES);
  static constexpr std::uint32_t kGrids = OSTEON_SET(OSTEON_GRID_MODEL) | OSTEON_SET(OSTEON_GRID_IMAGE);
  bool map = false;  ///< one inner call on the same images
  std::uint32_t needs_forms = kFloats;
  std::uint32_t needs_grids = kGrids;
  std::uint32_t gives_forms = kFloats;
  std::uint32_t gives_grids = kGrids;
};

namespace detail {

template <class T>
struct PostprocessorLayer {
  struct Instance {
    T post;
    osteon_postprocessor_info info;
  };
  static const Instance& self(const osteon_postprocessor* raw) { return *reinterpret_cast<const Instance*>(raw); }

  static osteon_status create(const osteon_call*, const osteon_value* const* values,
                              const osteon_postprocessor_request* raw, osteon_postprocessor** out,
                              osteon_error* error) {
    return guard(error, [&] {
      PostprocessorRequest request;
      request.multiclass = is_multiclass(raw->labels);
      for (std::int64_t k = 0; k < raw->n_classes; ++k) {
        request.class_names.emplace_back(raw->class_names[k]);
        if (raw->mirrored != nullptr) request.mirrored.push_back(raw->mirrored[k]);
      }
      auto instance =
          std::make_unique<Instance>(Instance{T(schema_of<typename T::Params>().read(values), request), {}});
      const PostprocessorTraits traits = instance->post.traits();
      instance->info = {
          sizeof(osteon_postprocessor_info),
          traits.map ? std::uint32_t{OSTEON_POSTPROCESSOR_MAP} : std::uint32_t{OSTEON_POSTPROCESSOR_WRAPPER},
          traits.needs_forms,
          traits.needs_grids,
          traits.gives_forms,
          traits.gives_grids};
      *out = reinterpret_cast<osteon_postprocessor*>(instance.release());
    });
  }
  static void destroy(osteon_postprocessor* raw) { delete reinterpret_cast<Instance*>(raw); }
  static const osteon_postprocessor_info* info(const osteon_postprocessor* raw) { return &self(raw).info; }

  static osteon_status process(const osteon_call* call, const osteon_postprocessor* raw, const osteon_predictor* inner,
                               std::uint64_t n, const osteon_image* const* images,
                               const osteon_predict_request* request, osteon_prediction* const* predictions,
                               osteon_error* error) {
    return guard(error, [&] {
      const Instance& instance = self(raw);
      if ((instance.info.gives_forms & OSTEON_SET(request->form)) == 0 ||
          (instance.info.gives_grids & OSTEON_SET(request->grid)) == 0)
        throw Unsupported("it was asked for a form or a grid that it does not give");
      const std::vector<const osteon_image*> list(images, images + n);
      std::vector<Prediction> made = instance.post.process(Call(call), Predictor(inner), list, *request);
      if (made.size() != n)
        throw Error(OSTEON_FAILED,
                    "it gave " + std::to_string(made.size()) + " predictions for " + std::to_string(n) + " images");
      for (std::uint64_t i = 0; i < n; ++i) made[i].move_to(predictions[i]);
    });
  }

  static constexpr osteon_postprocessor_api kApi{
      sizeof(osteon_postprocessor_api), 0, &create, &destroy, &info, &process};
};

}  // namespace detail

/// The component of a post-processor class, for OSTEON_PLUGIN.
template <class T>
osteon_component postprocessor(const About& about) {
  return detail::component<typename T::Params>(OSTEON_KIND_POSTPROCESSOR, about, &detail::PostprocessorLayer<T>::kApi,
                                               {OSTEON_DEVICE_CPU}, {dtype_of<float>()});
}

}  // namespace osteon::sdk
