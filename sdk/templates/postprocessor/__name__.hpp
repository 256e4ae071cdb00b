// The post-processor. This one is a map: it asks the predictor within once, for the same images, and changes what comes
// back. Others call it several times, or on images of their own making.
#pragma once

#include <osteon/sdk/postprocessor.hpp>

class __Class__ {
 public:
  /// What recipes write in [[predict.post]].
  struct Params {
    double temperature = 1.5;

    static void schema(osteon::sdk::Schema<Params>& s) {
      s.add("temperature", &Params::temperature, "what logits are divided by; above 1: less sure").between(0.01, 100);
    }
  };

  __Class__(const Params& params, const osteon::sdk::PostprocessorRequest&) : temperature_(params.temperature) {}

  /// Known without an instance: by parameters that are one choice or one boolean, and by what lies beneath.
  static osteon::sdk::PostprocessorTraits traits(const Params&, const osteon::sdk::Beneath&) {
    osteon::sdk::PostprocessorTraits traits;
    traits.map = true;
    traits.needs_forms = OSTEON_SET(OSTEON_FORM_LOGITS);
    return traits;
  }

  /// What `request` asks for is what comes back, image by image. An image that cannot be worked on is answered with
  /// `throw osteon::sdk::BadInput(why)`.
  std::vector<osteon::sdk::Prediction> process(const osteon::sdk::Call& call, const osteon::sdk::Predictor& inner,
                                               const std::vector<const osteon_image*>& images,
                                               const osteon_predict_request& request) const {
    std::vector<osteon::sdk::Prediction> predictions = inner.predict(call, images, inner.as_logits(request));
    for (std::size_t i = 0; i < images.size(); ++i) {
      call.stop_if_cancelled();
      float* logits = predictions[i].data();
      const std::int64_t count = osteon::sdk::element_count(predictions[i].view());
      for (std::int64_t k = 0; k < count; ++k) logits[k] /= static_cast<float>(temperature_);
      // To the form, the grid and the classes that were asked for.
      inner.finish(call, request, images[i]->pixels.shape[0], images[i]->pixels.shape[1], predictions[i]);
    }
    return predictions;
  }

 private:
  double temperature_;
};
