// SPDX-License-Identifier: Apache-2.0
// Guided filter: smooths probabilities where the image is smooth, and leaves them steep where it has an edge.
//
//     [[predict.post]]
//     plugin = "guided_filter"
//     radius = 8
//     eps = 1e-4
//
// It is linear in the probabilities, and what it overshoots at an edge is cut to 0..1.
#include <cstdint>

#include <osteon/sdk/parallel.hpp>
#include <osteon/sdk/postprocessor.hpp>

#include "guide.hpp"

namespace osteon::guided_filter {
namespace {

using namespace osteon::sdk;

class GuidedFilter {
 public:
  struct Params {
    std::int64_t radius = 8;
    double eps = 1e-4;

    static void schema(Schema<Params>& s) {
      s.add("radius", &Params::radius, "of the window, which has 2 radius + 1 pixels of the image a side")
          .unit("px")
          .between(1, 4096);
      s.add("eps", &Params::eps,
            "intensity squared, of 0..1: steps of the image of less than its root are smoothed over")
          .between(1e-6, 1);
    }
  };

  GuidedFilter(const Params& params, const PostprocessorRequest&) : params_(params) {}

  static PostprocessorTraits traits(const Params&, const Beneath&) {
    PostprocessorTraits traits;
    traits.map = true;
    traits.needs_forms = traits.gives_forms = OSTEON_SET(OSTEON_FORM_PROBABILITIES);
    traits.needs_grids = traits.gives_grids = OSTEON_SET(OSTEON_GRID_IMAGE);
    return traits;
  }

  std::vector<Prediction> process(const Call& call, const Predictor& inner,
                                  const std::vector<const osteon_image*>& images,
                                  const osteon_predict_request& request) const {
    std::vector<Prediction> predictions = inner.predict(call, images, request);
    for (std::size_t i = 0; i < images.size(); ++i) {
      const Guide guide(call, *images[i], params_.radius, params_.eps);
      float* planes = predictions[i].data();
      const std::int64_t pixels = predictions[i].height() * predictions[i].width();
      parallel_for(call, predictions[i].classes(),
                   [&](std::int64_t k, int) { guide.filter(call, planes + k * pixels); });
    }
    return predictions;
  }

 private:
  Params params_;
};

}  // namespace
}  // namespace osteon::guided_filter

OSTEON_PLUGIN("guided_filter", "1.0.0",
              osteon::sdk::postprocessor<osteon::guided_filter::GuidedFilter>(
                  {"guided_filter", "1.0.0", "Smooths probabilities along the edges of the image.",
                   "He, Sun and Tang 2010, doi:10.1007/978-3-642-15549-9_1"}))
