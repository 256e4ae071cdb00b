// SPDX-License-Identifier: Apache-2.0
// A fully connected CRF: draws the edges of what a network predicted to those of the image.
//
//     [[predict.post]]
//     plugin = "dense_crf"
//     bilateral_sxy = 8
//     bilateral_srgb = 5
//
// P. Kraehenbuehl, V. Koltun, "Efficient inference in fully connected CRFs with Gaussian edge potentials", NIPS 2011.
// Parameters mean what they mean in pydensecrf, but that a positive compat smooths and srgb counts 0..255 of an image
// in 0..1. Classes that overlap are a problem of two labels each, present and absent; the network's logits are the
// unaries.
#include <string>

#include <osteon/sdk/parallel.hpp>
#include <osteon/sdk/postprocessor.hpp>

#include "image_kernels.hpp"
#include "update.hpp"

namespace osteon::dense_crf {
namespace {

using namespace osteon::sdk;

class DenseCrf {
 public:
  struct Params {
    double gaussian_sxy = 3, gaussian_compat = 1;
    double bilateral_sxy = 8, bilateral_srgb = 5, bilateral_compat = 4;
    std::string normalization = "symmetric";
    std::int64_t iterations = 5;
    double stop_below = 0;
    std::string exclusive = "auto";

    static void schema(Schema<Params>& s) {
      s.add("gaussian_sxy", &Params::gaussian_sxy, "reach of the kernel of place alone").unit("px").between(0.01, 1e6);
      s.add("gaussian_compat", &Params::gaussian_compat, "how much it counts; 0: not at all").between(0, 1e4);
      s.add("bilateral_sxy", &Params::bilateral_sxy, "reach of the kernel of place and colour, in place")
          .unit("px")
          .between(0.01, 1e6);
      s.add("bilateral_srgb", &Params::bilateral_srgb, "and in each channel's colour, of 0..255").between(0.01, 1e6);
      s.add("bilateral_compat", &Params::bilateral_compat, "how much it counts; 0: not at all").between(0, 1e4);
      s.add("normalization", &Params::normalization, "of both kernels, by what arrives where 1 is everywhere")
          .choices({"none", "before", "after", "symmetric"});
      s.add("iterations", &Params::iterations, "steps of mean field").between(1, 1000);
      s.add("stop_below", &Params::stop_below,
            "fewer steps, when no tile of 32 px changes its mean probability of a class by more; 0: never")
          .between(0, 1);
      s.add("exclusive", &Params::exclusive,
            "whether classes compete for a pixel; auto: as they do in the data. Where they overlap in the data, "
            "without_background lets them compete all the same, which gives every pixel to some class")
          .choices({"auto", "always", "without_background"});
    }
  };

  DenseCrf(const Params& params, const PostprocessorRequest& request) {
    const bool wanted = params.exclusive != "auto";
    if (!request.multiclass && params.exclusive == "always")
      throw Unsupported(
          "exclusive = \"always\" is for data whose pixels have one class each. Here classes overlap and none is the "
          "background, so a softmax over them gives every pixel to some class, and masks fill the image. Leave "
          "exclusive out: each class is then a problem of its own; or write exclusive = \"without_background\" to have "
          "just that");
    if (request.multiclass && params.exclusive == "without_background")
      throw Unsupported(
          "exclusive = \"without_background\" is for classes that overlap; those of this data compete for each pixel "
          "already. Leave exclusive out");
    kernels_.gaussian_sxy = params.gaussian_sxy;
    kernels_.gaussian_compat = params.gaussian_compat;
    kernels_.bilateral_sxy = params.bilateral_sxy;
    kernels_.bilateral_srgb = params.bilateral_srgb;
    kernels_.bilateral_compat = params.bilateral_compat;
    kernels_.normalization = params.normalization == "none"     ? Normalization::kNone
                             : params.normalization == "before" ? Normalization::kBefore
                             : params.normalization == "after"  ? Normalization::kAfter
                                                                : Normalization::kSymmetric;
    options_.iterations = params.iterations;
    options_.stop_below = params.stop_below;
    options_.labels = request.multiclass || wanted ? Labels::kExclusive : Labels::kOverlapping;
    options_.against_rest = !request.multiclass;
  }

  static PostprocessorTraits traits(const Params&, const Beneath&) {
    PostprocessorTraits traits;
    traits.map = true;
    traits.needs_grids = OSTEON_SET(OSTEON_GRID_IMAGE);
    traits.gives_grids = OSTEON_SET(OSTEON_GRID_IMAGE);
    return traits;
  }

  std::vector<Prediction> process(const Call& call, const Predictor& inner,
                                  const std::vector<const osteon_image*>& images,
                                  const osteon_predict_request& request) const {
    osteon_predict_request below = inner.as_logits(request);
    if (options_.labels == Labels::kExclusive) {  // a softmax needs them all, whichever are wanted
      below.n_classes = 0;
      below.classes = nullptr;
    }
    if (!inner.gives_form(OSTEON_FORM_LOGITS)) below.form = OSTEON_FORM_PROBABILITIES;  // a mean over members, for one
    std::vector<Prediction> predictions = inner.predict(call, images, below);
    for (std::size_t i = 0; i < images.size(); ++i) {
      if (below.form == OSTEON_FORM_PROBABILITIES) to_logits(call, predictions[i], inner.multiclass());
      refine(call, *images[i], predictions[i]);
      inner.finish(call, request, images[i]->pixels.shape[0], images[i]->pixels.shape[1], predictions[i]);
    }
    return predictions;
  }

 private:
  static void to_logits(const Call& call, Prediction& prediction, bool multiclass) {
    const std::int64_t rows = prediction.classes() * prediction.height(), width = prediction.width();
    float* values = prediction.data();
    parallel_for(call, rows,
                 [&](std::int64_t row, int) { logits_of_probabilities(values + row * width, width, multiclass); });
    prediction.raw().form = OSTEON_FORM_LOGITS;
  }

  void refine(const Call& call, const osteon_image& image, const Prediction& prediction) const {
    if (prediction.height() != image.pixels.shape[0] || prediction.width() != image.pixels.shape[1])
      throw Error(OSTEON_FAILED, "the prediction has not a pixel for each of the image's");
    const Tiling tiling(prediction.height(), prediction.width());
    const ImageKernels kernels(call, image, tiling, kernels_);
    const MeanFieldReport report =
        MeanField(tiling, kernels.kernels(), options_).run(call, prediction.data(), prediction.classes());
    call.note(image.root, "iterations", report.iterations);
    if (options_.labels == Labels::kExclusive) return;
    call.note(image.root, "worked_share", report.worked_share);
    call.note(image.root, "left_out_at_most", report.left_out);
  }

  KernelOptions kernels_;
  MeanFieldOptions options_;
};

}  // namespace
}  // namespace osteon::dense_crf

OSTEON_PLUGIN("dense_crf", "1.0.0",
              osteon::sdk::postprocessor<osteon::dense_crf::DenseCrf>(
                  {"dense_crf", "1.0.0", "Fully connected CRF: draws predicted edges to those of the image.",
                   "Kraehenbuehl and Koltun 2011, arXiv:1210.5644"}))
