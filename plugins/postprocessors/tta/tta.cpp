// SPDX-License-Identifier: Apache-2.0
// Test-time augmentation: predicts mirrored and turned copies of an image, brings the predictions back and averages
// them.
//
//     [[predict.post]]
//     plugin = "tta"
//     transforms = ["identity", "hflip"]
//
// `mean_logits` averages before the sigmoid, as ttach does with models that give logits; `mean_probabilities` after it.
#include <algorithm>
#include <numeric>

#include <osteon/sdk/postprocessor.hpp>

#include "mean.hpp"
#include "transform.hpp"

namespace osteon::tta {
namespace {

using namespace osteon::sdk;

class Tta {
 public:
  struct Params {
    std::vector<std::string> transforms = {"identity", "hflip"};
    std::string merge = "mean_logits";

    static void schema(Schema<Params>& s) {
      s.add("transforms", &Params::transforms, "copies of the image that are predicted")
          .choices(transform_names())
          .count(1, 64);
      s.add("merge", &Params::merge, "what is averaged").choices({"mean_logits", "mean_probabilities"});
    }
  };

  Tta(const Params& params, const PostprocessorRequest& request) : mirrored_(request.mirrored) {
    for (const std::string& name : params.transforms) transforms_.push_back(transform_of(name));
    form_ = form_of(params);
  }

  static PostprocessorTraits traits(const Params& params, const Beneath&) {
    PostprocessorTraits traits;
    traits.needs_forms = OSTEON_SET(form_of(params));
    traits.gives_forms = OSTEON_SET(OSTEON_FORM_PROBABILITIES) | traits.needs_forms;
    return traits;
  }

  std::vector<Prediction> process(const Call& call, const Predictor& inner,
                                  const std::vector<const osteon_image*>& images,
                                  const osteon_predict_request& request) const {
    std::vector<Prediction> results;
    // A softmax of averaged logits needs those of all classes, whichever are wanted.
    osteon_predict_request made =
        form_ == OSTEON_FORM_LOGITS && request.form != form_ ? inner.as_logits(request) : request;
    made.form = request.form;
    for (const osteon_image* image : images) {
      results.push_back(predict_one(call, inner, *image, made));
      inner.finish(call, request, image->pixels.shape[0], image->pixels.shape[1], results.back());
    }
    return results;
  }

 private:
  static std::uint32_t form_of(const Params& params) {
    return params.merge == "mean_logits" ? OSTEON_FORM_LOGITS : OSTEON_FORM_PROBABILITIES;
  }

  bool exchanges(const Transform& transform) const { return transform.mirrors() && !mirrored_.empty(); }

  // Classes to ask for, so that every wanted class is there in each copy: in a mirrored one a class may carry its
  // pair's name.
  std::vector<std::int32_t> classes_to_ask(const std::vector<std::int32_t>& wanted) const {
    std::vector<std::int32_t> classes = wanted;
    for (const Transform& transform : transforms_)
      if (exchanges(transform))
        for (const std::int32_t c : wanted) classes.push_back(mirrored_[static_cast<std::size_t>(c)]);
    std::sort(classes.begin(), classes.end());
    classes.erase(std::unique(classes.begin(), classes.end()), classes.end());
    return classes;
  }

  Prediction predict_one(const Call& call, const Predictor& inner, const osteon_image& image,
                         const osteon_predict_request& request) const {
    std::vector<std::int32_t> wanted(request.classes, request.classes + request.n_classes);
    if (wanted.empty()) {
      wanted.resize(static_cast<std::size_t>(inner.n_classes()));
      std::iota(wanted.begin(), wanted.end(), 0);
    }
    const std::vector<std::int32_t> asked = classes_to_ask(wanted);
    osteon_predict_request below = request;
    below.form = form_;
    // Small grids are cheaper to turn, where there are any.
    below.grid = inner.gives_grid(OSTEON_GRID_MODEL) ? OSTEON_GRID_MODEL : OSTEON_GRID_IMAGE;
    below.n_classes = asked.size();
    below.classes = asked.data();

    const bool turns = std::any_of(transforms_.begin(), transforms_.end(), [](const Transform& t) { return t.swaps; });
    Mean mean(inner, below, image.pixels, transforms_.size(), wanted.size(), turns);
    const auto step = static_cast<std::size_t>(inner.batch_size());
    for (std::size_t first = 0; first < transforms_.size(); first += step)
      add_copies(call, inner, image, first, std::min(first + step, transforms_.size()), wanted, mean);
    return mean.take();
  }

  // Predicts some of the copies together and adds what is said of them, one after the other.
  void add_copies(const Call& call, const Predictor& inner, const osteon_image& image, std::size_t begin,
                  std::size_t end, const std::vector<std::int32_t>& wanted, Mean& mean) const {
    std::vector<Image> copies;
    std::vector<const osteon_image*> pointers;
    for (std::size_t i = begin; i < end; ++i) copies.push_back(transformed(call, transforms_[i], image));
    for (const Image& copy : copies) pointers.push_back(copy.raw());
    std::vector<Prediction> predictions = inner.predict(call, pointers, mean.asked());
    for (std::size_t i = begin; i < end; ++i) {
      std::vector<std::int32_t> classes = wanted;
      if (exchanges(transforms_[i]))
        for (std::int32_t& c : classes) c = mirrored_[static_cast<std::size_t>(c)];
      mean.add(call, transforms_[i], copies[i - begin].raw()->pixels, std::move(predictions[i - begin]), classes);
    }
  }

  std::vector<Transform> transforms_;
  std::vector<std::int32_t> mirrored_;
  std::uint32_t form_;
};

}  // namespace
}  // namespace osteon::tta

OSTEON_PLUGIN("tta", "1.0.0",
              osteon::sdk::postprocessor<osteon::tta::Tta>(
                  {"tta", "1.0.0", "Test-time augmentation: averages predictions of mirrored and turned copies."}))
