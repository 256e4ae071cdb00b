// SPDX-License-Identifier: Apache-2.0
// Temperature scaling: logits are divided by a temperature that is fitted on validation images, so that probabilities
// are as often right as they say. At a threshold of 0.5, and where the greatest wins, masks stay what they are.
//
//     [[predict.post]]
//     plugin = "temperature"
//     per_class = true
//
// C. Guo et al., "On calibration of modern neural networks", ICML 2017, arXiv:1706.04599. Fitted by the least binary
// cross-entropy over pixels where classes overlap, by the least cross-entropy where a pixel has exactly one.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>

#include <osteon/sdk/parallel.hpp>
#include <osteon/sdk/postprocessor.hpp>

#include "logit_histogram.hpp"
#include "softmax_newton.hpp"

namespace osteon::temperature {
namespace {

using namespace osteon::sdk;

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", value);
  return text;
}

class Temperature {
 public:
  struct Params {
    bool per_class = false;

    static void schema(Schema<Params>& s) {
      s.add("per_class", &Params::per_class, "a temperature for each class; false: one for all");
    }
  };

  Temperature(const Params& params, const PostprocessorRequest& request)
      : multiclass_(request.multiclass), classes_(request.class_names) {
    if (multiclass_ && params.per_class)
      throw Unsupported("per_class is for classes that overlap; a softmax has one temperature");
    temperatures_.assign(params.per_class ? classes_.size() : 1, 1.0);
  }

  static PostprocessorTraits traits(const Params&, const Beneath&) {
    PostprocessorTraits traits;
    traits.map = true;
    traits.needs_forms = OSTEON_SET(OSTEON_FORM_LOGITS);
    traits.fits = true;
    return traits;
  }

  std::vector<Prediction> process(const Call& call, const Predictor& inner,
                                  const std::vector<const osteon_image*>& images,
                                  const osteon_predict_request& request) const {
    const osteon_predict_request below = inner.as_logits(request);
    std::vector<Prediction> predictions = inner.predict(call, images, below);
    for (std::size_t i = 0; i < images.size(); ++i) {
      divide(call, below, predictions[i]);
      inner.finish(call, request, images[i]->pixels.shape[0], images[i]->pixels.shape[1], predictions[i]);
    }
    return predictions;
  }

  std::unique_ptr<Reading> open(const Call& call, const Predictor& inner, const osteon_image& image,
                                const osteon_predict_request& request) const {
    return std::make_unique<Bands>(*this, call, inner, image, request);
  }

  std::vector<StateTensor> tensors() {
    return {
        {"temperature", dtype_of<double>(), {static_cast<std::int64_t>(temperatures_.size())}, temperatures_.data()}};
  }

  void fit_begin(const Call&, const FitRequest&) {
    newton_ = SoftmaxNewton();
    histograms_.assign(multiclass_ ? 0 : classes_.size(), LogitHistogram());
  }

  void fit_add(const Call& call, const FitSample& sample) {
    if (sample.members[0] == nullptr) return;
    if (multiclass_) {
      if (sample.band.n_classes != classes_.size())
        throw InvalidArgument("a softmax is fitted on bands of all classes, not of " +
                              std::to_string(sample.band.n_classes));
      newton_.add(call, sample);
      return;
    }
    parallel_for(call, static_cast<std::int64_t>(sample.band.n_classes), [&](std::int64_t k, int) {
      const std::int32_t c = sample.band.classes[k];
      if (!sample.class_known(c)) return;
      LogitHistogram& histogram = histograms_[static_cast<std::size_t>(c)];
      const float* logits = sample.values(0, static_cast<std::uint64_t>(k));
      for (std::int64_t i = 0; i < sample.pixels(); ++i)
        if (sample.known(i) && !histogram.add(logits[i], sample.is_set(c, i)))
          throw Error(OSTEON_FAILED, "a logit of class '" + classes_[static_cast<std::size_t>(c)] + "' in image '" +
                                         sample.image + "' is not finite");
    });
  }

  bool fit_end(const Call& call) {
    if (multiclass_) {
      const bool again = newton_.step();
      temperatures_[0] = 1 / newton_.best();
      if (again) return true;
      if (newton_.pixels() == 0) throw InvalidArgument("there is no pixel of exactly one class to fit on");
    } else if (temperatures_.size() == 1) {
      LogitHistogram all;
      for (const LogitHistogram& histogram : histograms_) all.add(histogram);
      temperatures_[0] = fitted(call, all, "all classes");
    } else {
      for (std::size_t c = 0; c < classes_.size(); ++c)
        temperatures_[c] = fitted(call, histograms_[c], "class '" + classes_[c] + "'");
    }
    histograms_ = {};
    const auto [least, most] = std::minmax_element(temperatures_.begin(), temperatures_.end());
    call.info("temperature " + number(*least) + (temperatures_.size() > 1 ? " to " + number(*most) : ""));
    return false;
  }

 private:
  class Bands final : public Reading {
   public:
    Bands(const Temperature& post, const Call& call, const Predictor& inner, const osteon_image& image,
          const osteon_predict_request& request)
        : post_(post),
          inner_(inner),
          request_(request),
          below_(inner.as_logits(request)),
          logits_(inner.open(call, image, below_)) {}

    Prediction read(const Call& call, std::int64_t rows) override {
      Prediction band = logits_->read(call, rows);
      post_.divide(call, below_, band);
      inner_.finish_band(call, request_, band);
      return band;
    }

   private:
    const Temperature& post_;
    const Predictor& inner_;
    osteon_predict_request request_, below_;
    std::unique_ptr<Reading> logits_;
  };

  void divide(const Call& call, const osteon_predict_request& asked, Prediction& prediction) const {
    const std::int64_t plane = prediction.height() * prediction.width();
    float* logits = prediction.data();
    parallel_for(call, prediction.classes(), [&](std::int64_t k, int) {
      const auto scale = static_cast<float>(1 / temperature_of(asked.n_classes > 0 ? asked.classes[k] : k));
      for (float* z = logits + k * plane; z != logits + (k + 1) * plane; ++z) *z *= scale;
    });
  }

  double temperature_of(std::int64_t c) const {
    const double value = temperatures_[temperatures_.size() == 1 ? 0 : static_cast<std::size_t>(c)];
    if (!(value > 0 && std::isfinite(value)))
      throw InvalidArgument("the temperature " + number(value) + " that was loaded is no positive number");
    return value;
  }

  // How sure to be is not told by pixels that are all of one kind.
  static double fitted(const Call& call, const LogitHistogram& histogram, const std::string& what) {
    if (histogram.set_pixels() > 0 && histogram.set_pixels() < histogram.pixels()) return 1 / histogram.best();
    call.warn(what + (histogram.pixels() == 0 ? " is known in no image" : " covers all pixels or none") +
              " that it is fitted on; its temperature is 1");
    return 1;
  }

  bool multiclass_;
  std::vector<std::string> classes_;
  std::vector<double> temperatures_;        // of each class, or one for all
  std::vector<LogitHistogram> histograms_;  // of a fit that is under way
  SoftmaxNewton newton_;
};

}  // namespace
}  // namespace osteon::temperature

OSTEON_PLUGIN("temperature", "1.0.0",
              osteon::sdk::postprocessor<osteon::temperature::Temperature>(
                  {"temperature", "1.0.0", "Divides logits by a temperature that is fitted on validation images.",
                   "Guo et al. 2017, arXiv:1706.04599"}))
