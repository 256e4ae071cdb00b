// SPDX-License-Identifier: Apache-2.0
// Decides masks of probabilities by thresholds of its own, with hysteresis where a lower one is given: a pixel above
// `low` is set as well when pixels above `low` connect it to one above `threshold` (Canny 1986).
//
//     [[predict.post]]
//     plugin = "threshold"
//     threshold = 0.6
//     low = 0.3
//     per_class = ["Pisiform"]
//     thresholds = [0.45]
//
// Where a pixel has exactly one class the greatest probability decides, and no threshold does.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>

#include <opencv2/imgproc.hpp>
#include <osteon/sdk/opencv.hpp>
#include <osteon/sdk/parallel.hpp>
#include <osteon/sdk/postprocessor.hpp>

namespace osteon::threshold {
namespace {

using namespace osteon::sdk;

class Threshold {
 public:
  struct Params {
    double threshold = 0.5;
    double low = 1;
    ClassList per_class;
    std::vector<double> thresholds;
    std::vector<double> lows;
    std::int64_t connectivity = 8;

    static void schema(Schema<Params>& s) {
      s.add("threshold", &Params::threshold, "a pixel is set when its probability is greater").between(0, 1);
      s.add("low", &Params::low,
            "a pixel of a greater probability is set too, where such pixels connect it to one above the threshold; not "
            "below the threshold: none is")
          .between(0, 1);
      s.add("per_class", &Params::per_class, "classes with values of their own, which the next two list in this order");
      s.add("thresholds", &Params::thresholds, "threshold of each of per_class").between(0, 1);
      s.add("lows", &Params::lows, "low of each of per_class; none listed: as all classes").between(0, 1);
      s.add("connectivity", &Params::connectivity,
            "of hysteresis. 4: pixels touch by their sides; 8: by their corners too")
          .between(4, 8);
    }
  };

  Threshold(const Params& params, const PostprocessorRequest& request)
      : limits_(request.class_names.size(), {static_cast<float>(params.threshold), static_cast<float>(params.low)}),
        connectivity_(static_cast<int>(params.connectivity)) {
    if (request.multiclass)
      throw Unsupported("where a pixel has exactly one class, the greatest probability decides and no threshold does");
    if (connectivity_ != 4 && connectivity_ != 8)
      throw InvalidArgument("connectivity is " + std::to_string(connectivity_) + ", expected 4 or 8");
    const auto& own = params.per_class.channels;
    expect_one_each("thresholds", params.thresholds.size(), own.size());
    if (!params.lows.empty()) expect_one_each("lows", params.lows.size(), own.size());
    for (std::size_t i = 0; i < own.size(); ++i) {
      if (std::find(own.begin(), own.begin() + static_cast<std::ptrdiff_t>(i), own[i]) !=
          own.begin() + static_cast<std::ptrdiff_t>(i))
        throw InvalidArgument("per_class names '" + params.per_class.names[i] + "' twice");
      Limits& limits = limits_[static_cast<std::size_t>(own[i])];
      limits.high = static_cast<float>(params.thresholds[i]);
      if (!params.lows.empty()) limits.low = static_cast<float>(params.lows[i]);
    }
  }

  static PostprocessorTraits traits(const Params&, const Beneath&) {
    PostprocessorTraits traits;
    traits.map = true;
    traits.needs_forms = OSTEON_SET(OSTEON_FORM_PROBABILITIES);
    traits.gives_forms = OSTEON_SET(OSTEON_FORM_BITS);
    traits.needs_grids = traits.gives_grids = OSTEON_SET(OSTEON_GRID_IMAGE);
    return traits;
  }

  std::vector<Prediction> process(const Call& call, const Predictor& inner,
                                  const std::vector<const osteon_image*>& images,
                                  const osteon_predict_request& request) const {
    osteon_predict_request wanted = request;
    wanted.form = OSTEON_FORM_PROBABILITIES;
    const std::vector<Limits> limits = limits_of(request);
    std::vector<Prediction> predictions = inner.predict(call, images, wanted);
    for (Prediction& prediction : predictions) {
      parallel_for(call, prediction.classes(), [&](std::int64_t k, int) {
        connect(call, limits[static_cast<std::size_t>(k)], plane_mat(prediction.view(), k));
      });
      decide(call, limits, prediction);
    }
    return predictions;
  }

  /// What is connected may reach from the first row to the last.
  std::unique_ptr<Reading> open(const Call& call, const Predictor& inner, const osteon_image& image,
                                const osteon_predict_request& request) const {
    std::vector<Limits> limits = limits_of(request);
    if (std::any_of(limits.begin(), limits.end(), [](const Limits& limit) { return limit.connects(); })) return nullptr;
    osteon_predict_request wanted = request;
    wanted.form = OSTEON_FORM_PROBABILITIES;
    return std::make_unique<Bands>(std::move(limits), inner.open(call, image, wanted));
  }

 private:
  struct Limits {
    float high, low;
    bool connects() const { return low < high; }
    float last() const { return connects() ? 0.5f : high; }  // after connect()
  };

  class Bands final : public Reading {
   public:
    Bands(std::vector<Limits> limits, std::unique_ptr<Reading> probabilities)
        : limits_(std::move(limits)), probabilities_(std::move(probabilities)) {}

    Prediction read(const Call& call, std::int64_t rows) override {
      Prediction band = probabilities_->read(call, rows);
      decide(call, limits_, band);
      return band;
    }

   private:
    std::vector<Limits> limits_;
    std::unique_ptr<Reading> probabilities_;
  };

  /// Of the classes of a request.
  std::vector<Limits> limits_of(const osteon_predict_request& request) const {
    if (request.n_classes == 0) return limits_;
    std::vector<Limits> limits;
    for (std::uint64_t k = 0; k < request.n_classes; ++k)
      limits.push_back(limits_[static_cast<std::size_t>(request.classes[k])]);
    return limits;
  }

  static void expect_one_each(const char* what, std::size_t found, std::size_t classes) {
    if (found != classes)
      throw InvalidArgument(std::string(what) + " has " + std::to_string(found) + " values, and per_class names " +
                            std::to_string(classes) + " classes; give one for each");
  }

  // Makes 1 of the pixels that are set by hysteresis, and 0 of the others.
  void connect(const Call& call, const Limits& limits, cv::Mat values) const {
    if (!limits.connects()) return;
    cv::Mat labels;
    const int count = cv::connectedComponents(values > limits.low, labels, connectivity_, CV_32S);
    call.stop_if_cancelled();
    std::vector<float> set(static_cast<std::size_t>(count), 0);
    for (int y = 0; y < values.rows; ++y)
      for (int x = 0; x < values.cols; ++x)
        if (values.at<float>(y, x) > limits.high) set[static_cast<std::size_t>(labels.at<int>(y, x))] = 1;
    for (int y = 0; y < values.rows; ++y)
      for (int x = 0; x < values.cols; ++x)
        values.at<float>(y, x) = set[static_cast<std::size_t>(labels.at<int>(y, x))];
  }

  static void decide(const Call& call, const std::vector<Limits>& limits, Prediction& prediction) {
    const std::int64_t classes = prediction.classes(), height = prediction.height(), width = prediction.width();
    const std::int64_t planes = (classes + 31) / 32, pixels = height * width;
    OwnedTensor bits = call.allocate<std::int32_t>({planes, height, width});
    auto* out = reinterpret_cast<std::uint32_t*>(bits.data<std::int32_t>());
    const float* values = prediction.data();
    parallel_for(call, height, [&](std::int64_t y, int) {
      for (std::int64_t plane = 0; plane < planes; ++plane) std::fill_n(out + plane * pixels + y * width, width, 0u);
      for (std::int64_t k = 0; k < classes; ++k) {
        const float* in = values + k * pixels + y * width;
        std::uint32_t* row = out + k / 32 * pixels + y * width;
        const std::uint32_t bit = 1u << (k % 32);
        const float limit = limits[static_cast<std::size_t>(k)].last();
        for (std::int64_t x = 0; x < width; ++x) row[x] |= in[x] > limit ? bit : 0u;
      }
    });
    prediction.set(std::move(bits));
    prediction.raw().form = OSTEON_FORM_BITS;
  }

  std::vector<Limits> limits_;  // of each class
  int connectivity_;
};

}  // namespace
}  // namespace osteon::threshold

OSTEON_PLUGIN("threshold", "1.0.0",
              osteon::sdk::postprocessor<osteon::threshold::Threshold>(
                  {"threshold", "1.0.0",
                   "Decides masks by thresholds of its own, with hysteresis where it is asked for.",
                   "Canny 1986, doi:10.1109/TPAMI.1986.4767851"}))
