// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <osteon/abi/postprocessor.h>
#include <osteon/sdk/fit.hpp>
#include <osteon/sdk/plugin.hpp>
#include <osteon/sdk/predictor.hpp>
#include <osteon/sdk/request_check.hpp>

/// Post-processors: a class that predicts through another predictor.
///
///     class MyPost {
///      public:
///       struct Params { ... static void schema(Schema<Params>&); };
///       MyPost(const Params&, const PostprocessorRequest&);
///       static PostprocessorTraits traits(const Params&, const Beneath&);
///       std::vector<Prediction> process(const Call&, const Predictor& inner,
///                                       const std::vector<const osteon_image*>& images,
///                                       const osteon_predict_request&) const;
///     };
///     OSTEON_PLUGIN("my_post", "1.0.0", osteon::sdk::postprocessor<MyPost>({"my_post", "1.0.0", "..."}))
///
/// One whose rows need no more than bands of what lies beneath has this too, so that nobody holds all of a prediction:
///
///       std::unique_ptr<Reading> open(const Call&, const Predictor& inner, const osteon_image&,
///                                     const osteon_predict_request&) const;
///
/// Empty: not so for this request, and process() is asked for the whole.
///
/// traits() is told the parameters that are one choice or one boolean, the others being as Params has them, and what
/// lies beneath, which what it gives may depend on. Recipes are checked with it before anything is made. A class whose
/// traits follow from more has `PostprocessorTraits traits() const` instead; what it needs is then known when it is
/// made.
///
/// An image that it cannot work on it answers with `throw BadInput(why)`: where the caller wants each image by itself,
/// this layer tries the others again without it. One that learns from validation images has traits().fits and what
/// fit.hpp says.
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
  /// Element types beside float32 that process() can give: OSTEON_SET of OSTEON_ELEMENT_*. Of what the caller takes it
  /// is told these alone, by request.elements; a request that it passes on is then for these as well.
  std::uint32_t elements = 0;
  bool fits = false;  ///< has to be fitted before process()
};

namespace detail {

template <class T, class = void>
struct HasOpen : std::false_type {};
template <class T>
struct HasOpen<T, std::void_t<decltype(std::declval<const T&>().open(
                      std::declval<const Call&>(), std::declval<const Predictor&>(),
                      std::declval<const osteon_image&>(), std::declval<const osteon_predict_request&>()))>>
    : std::true_type {};

inline void expect_pixels(const osteon_image& image) {
  if (element_count(image.pixels) > 0) return;
  throw BadInput(image.root != nullptr ? "image '" + std::string(image.root) + "' has no pixels"
                                       : "an image has no pixels");
}

/// Whether a class says by its parameters alone what it needs and gives.
template <class T, class = void>
struct HasTypes : std::false_type {};
template <class T>
struct HasTypes<
    T, std::void_t<decltype(T::traits(std::declval<const typename T::Params&>(), std::declval<const Beneath&>()))>>
    : std::true_type {};

inline void fill_info(const PostprocessorTraits& traits, osteon_postprocessor_info& info) {
  info.flags = traits.fits ? std::uint32_t{OSTEON_POSTPROCESSOR_FITS} : 0u;
  info.shape = traits.map ? std::uint32_t{OSTEON_POSTPROCESSOR_MAP} : std::uint32_t{OSTEON_POSTPROCESSOR_WRAPPER};
  info.needs_forms = traits.needs_forms;
  info.needs_grids = traits.needs_grids;
  info.gives_forms = traits.gives_forms;
  info.gives_grids = traits.gives_grids;
}

template <class T>
struct PostprocessorLayer {
  struct Instance {
    T author;
    osteon_postprocessor_info info;
    std::uint32_t elements;
    FitState fit;
  };
  using Images = std::vector<const osteon_image*>;
  static const Instance& self(const osteon_postprocessor* raw) { return *reinterpret_cast<const Instance*>(raw); }

  static osteon_status create(const osteon_call* call, const osteon_value* const* values,
                              const osteon_postprocessor_request* given, osteon_postprocessor** out,
                              osteon_error* error) {
    return guard(error, [&] {
      known(call, "the call");
      const osteon_postprocessor_request raw = known(given, "a post-processor's request");
      PostprocessorRequest request;
      request.multiclass = is_multiclass(raw.labels);
      for (std::int64_t k = 0; k < raw.n_classes; ++k) {
        request.class_names.emplace_back(raw.class_names[k]);
        if (raw.mirrored != nullptr) request.mirrored.push_back(raw.mirrored[k]);
      }
      const auto params = schema_of<typename T::Params>().read(values);
      auto instance =
          std::make_unique<Instance>(Instance{T(params, request), sized<osteon_postprocessor_info>(), 0, {}});
      PostprocessorTraits traits;
      if constexpr (HasTypes<T>::value) {
        Beneath everything;
        everything.multiclass = request.multiclass;
        traits = T::traits(params, everything);
      } else {
        traits = instance->author.traits();
      }
      fill_info(traits, instance->info);
      instance->elements = traits.elements;
      instance->fit.begin_life(traits.fits, HasFit<T>::value, raw.n_classes, 1, traits.needs_forms);
      *out = reinterpret_cast<osteon_postprocessor*>(instance.release());
    });
  }
  static osteon_status types(const osteon_value* const* values, const osteon_beneath* beneath,
                             osteon_postprocessor_info* out, osteon_error* error) {
    return guard(error, [&] {
      known(out, "the info");
      if constexpr (HasTypes<T>::value) {
        auto info = sized<osteon_postprocessor_info>();
        fill_info(T::traits(schema_of<typename T::Params>().read_some(values), known_beneath(beneath)), info);
        fill_known(info, out);
      }
    });
  }
  static void destroy(osteon_postprocessor* raw) { delete reinterpret_cast<Instance*>(raw); }
  static const osteon_postprocessor_info* info(const osteon_postprocessor* raw) { return &self(raw).info; }

  static osteon_status process(const osteon_call* call, const osteon_postprocessor* raw, const osteon_predictor* inner,
                               std::uint64_t n, const osteon_image* const* images, const osteon_predict_request* given,
                               osteon_prediction* const* predictions, osteon_error* error) {
    return guard(error, [&] {
      const Instance& instance = self(raw);
      const Predictor within(inner);
      osteon_predict_request request = known(given, "a request", OSTEON_PREDICT_EACH);
      check_request(request, within.n_classes());
      if ((instance.info.gives_forms & OSTEON_SET(request.form)) == 0 ||
          (instance.info.gives_grids & OSTEON_SET(request.grid)) == 0)
        throw Unsupported("it was asked for a form or a grid that it does not give");
      const KnownImages looked_at(n, images);
      check_out(n, predictions);
      instance.fit.expect_ready();
      const bool each = (request.flags & OSTEON_PREDICT_EACH) != 0;
      request.flags = 0;
      request.elements &= instance.elements;
      const auto function = each ? predict_each : predict;
      std::vector<Prediction> made = function(instance, Call(call), within, looked_at.list(), request);
      for (std::uint64_t i = 0; i < n; ++i) made[i].move_to(predictions[i]);
    });
  }

  static std::vector<Prediction> predict(const Instance& instance, const Call& call, const Predictor& inner,
                                         const Images& images, const osteon_predict_request& request) {
    for (const osteon_image* image : images) expect_pixels(*image);
    std::vector<Prediction> made = instance.author.process(call, inner, images, request);
    if (made.size() != images.size())
      throw Error(OSTEON_FAILED, "it gave " + std::to_string(made.size()) + " predictions for " +
                                     std::to_string(images.size()) + " images");
    return made;
  }

  /// All at once, for that is what costs least; where one of them is bad, image by image.
  static std::vector<Prediction> predict_each(const Instance& instance, const Call& call, const Predictor& inner,
                                              const Images& images, const osteon_predict_request& request) {
    try {
      return predict(instance, call, inner, images, request);
    } catch (const Error& e) {
      if (e.status() != OSTEON_BAD_INPUT) throw;
      std::vector<Prediction> made(images.size());
      if (images.size() == 1) {
        made[0].refuse(e.what());
        return made;
      }
    }
    std::vector<Prediction> made;
    for (const osteon_image* image : images)
      made.push_back(std::move(predict_each(instance, call, inner, {image}, request)[0]));
    return made;
  }

  /// What a reading is of lives as long as it does.
  struct Opened {
    Opened(const osteon_predictor* within, const osteon_image* given) : inner(within), images(1, &given) {
      expect_pixels(image());
    }
    const osteon_image& image() const { return *images.list()[0]; }
    Predictor inner;
    KnownImages images;
    std::vector<std::int32_t> classes;
    std::int64_t rows_left = 0;
    std::unique_ptr<Reading> reading;
  };

  static osteon_status open(const osteon_call* call, const osteon_postprocessor* raw, const osteon_predictor* inner,
                            const osteon_image* image, const osteon_predict_request* given, osteon_reading** out,
                            osteon_error* error) {
    return guard(error, [&] {
      if constexpr (HasOpen<T>::value) {
        const Instance& instance = self(raw);
        osteon_predict_request request = known(given, "a request");
        auto opened = std::make_unique<Opened>(inner, image);
        check_request(request, opened->inner.n_classes());
        if ((instance.info.gives_forms & OSTEON_SET(request.form)) == 0 || request.grid != OSTEON_GRID_IMAGE)
          throw Unsupported("bands are of a form that it gives, on the image's grid");
        instance.fit.expect_ready();
        request.elements &= instance.elements;
        opened->classes.assign(request.classes, request.classes + request.n_classes);
        request.classes = opened->classes.data();
        opened->rows_left = opened->image().pixels.shape[0];
        opened->reading = instance.author.open(Call(call), opened->inner, opened->image(), request);
        *out = opened->reading ? reinterpret_cast<osteon_reading*>(opened.release()) : nullptr;
      }
    });
  }
  static osteon_status read(const osteon_call* call, const osteon_postprocessor*, osteon_reading* raw,
                            std::int64_t rows, osteon_prediction* prediction, osteon_error* error) {
    return guard(error, [&] {
      Opened& opened = *reinterpret_cast<Opened*>(raw);
      check_out(1, &prediction);
      if (rows < 1 || rows > opened.rows_left)
        throw InvalidArgument(std::to_string(rows) + " rows were asked for, and " + std::to_string(opened.rows_left) +
                              " are left");
      opened.reading->read(Call(call), rows).move_to(prediction);
      opened.rows_left -= rows;
    });
  }
  static void close(const osteon_postprocessor*, osteon_reading* raw) { delete reinterpret_cast<Opened*>(raw); }

  static constexpr osteon_postprocessor_api kApi{sizeof(osteon_postprocessor_api),
                                                 0,
                                                 &create,
                                                 &destroy,
                                                 &info,
                                                 &process,
                                                 HasOpen<T>::value ? &open : nullptr,
                                                 HasOpen<T>::value ? &read : nullptr,
                                                 HasOpen<T>::value ? &close : nullptr,
                                                 HasTypes<T>::value ? &types : nullptr};
};

}  // namespace detail

/// The component of a post-processor class, for OSTEON_PLUGIN.
template <class T>
osteon_component postprocessor(const About& about) {
  return detail::component<typename T::Params>(
      OSTEON_KIND_POSTPROCESSOR, about, &detail::PostprocessorLayer<T>::kApi, {OSTEON_DEVICE_CPU}, {dtype_of<float>()},
      &detail::fit_extension<typename detail::PostprocessorLayer<T>::Instance, T>);
}

}  // namespace osteon::sdk
