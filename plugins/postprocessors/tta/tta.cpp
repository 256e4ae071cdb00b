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
#include <cmath>
#include <numeric>

#include <osteon/sdk/postprocessor.hpp>

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

    std::vector<Image> copies;
    std::vector<const osteon_image*> pointers;
    for (const Transform& transform : transforms_) copies.push_back(transformed(call, transform, image));
    for (const Image& copy : copies) pointers.push_back(copy.raw());
    std::vector<Prediction> predictions = inner.predict(call, pointers, below);

    // On the model's grid when all copies come back to one and the same grid there, else on the image's.
    bool common = true;
    for (std::size_t i = 0; i < predictions.size(); ++i)
      common = common && !transforms_[i].swaps && covers_evenly(predictions[i], copies[i].raw()->pixels) &&
               predictions[i].height() == predictions[0].height() && predictions[i].width() == predictions[0].width();
    if (!common) {
      below.grid = OSTEON_GRID_IMAGE;
      for (std::size_t i = 0; i < predictions.size(); ++i)
        inner.convert(call, below, copies[i].raw()->pixels.shape[0], copies[i].raw()->pixels.shape[1], predictions[i]);
    }

    const bool swapped = transforms_[0].swaps;
    const std::int64_t height = swapped ? predictions[0].width() : predictions[0].height();
    const std::int64_t width = swapped ? predictions[0].height() : predictions[0].width();
    OwnedTensor sum = call.allocate<float>({static_cast<std::int64_t>(wanted.size()), height, width});
    std::fill_n(sum.data<float>(), element_count(sum.view()), 0.0f);
    const float weight = 1.0f / static_cast<float>(transforms_.size());
    for (std::size_t i = 0; i < predictions.size(); ++i) {
      call.stop_if_cancelled();
      const float* values = predictions[i].data();
      for (std::size_t k = 0; k < wanted.size(); ++k) {
        const std::int32_t c = exchanges(transforms_[i]) ? mirrored_[static_cast<std::size_t>(wanted[k])] : wanted[k];
        const auto position = std::lower_bound(asked.begin(), asked.end(), c) - asked.begin();
        add_back(transforms_[i], values + position * height * width, height, width, weight,
                 sum.data<float>() + static_cast<std::int64_t>(k) * height * width);
      }
    }
    Prediction result;
    result.raw().form = form_;
    std::copy_n(common ? predictions[0].raw().to_image : Affine().m, 6, result.raw().to_image);
    result.set(std::move(sum));
    return result;
  }

  // Whether the grid lies symmetrically over its image, so that turning it back is exact.
  static bool covers_evenly(Prediction& prediction, const osteon_tensor_view& pixels) {
    const double* m = prediction.raw().to_image;
    const auto even = [](double scale, double offset, std::int64_t grid, std::int64_t image) {
      return std::abs(2 * offset + scale * static_cast<double>(grid - 1) - static_cast<double>(image - 1)) <
             1e-6 * static_cast<double>(image);
    };
    return m[1] == 0 && m[3] == 0 && even(m[0], m[2], prediction.width(), pixels.shape[1]) &&
           even(m[4], m[5], prediction.height(), pixels.shape[0]);
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
