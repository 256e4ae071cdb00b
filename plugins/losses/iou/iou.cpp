// SPDX-License-Identifier: Apache-2.0

/// Soft intersection over union (Jaccard) over whole images, from logits; multilabel data (sigmoid) and multiclass data
/// (softmax):
///
///     J = 1 - (I + smooth) / (P + T - I + smooth),   I = sum w p t,  P = sum w p,  T = sum w t   over valid pixels
///
/// J is 0 where smooth, P and T are all 0. Rahman and Wang, "Optimizing Intersection-Over-Union in Deep Neural Networks
/// for Image Segmentation", ISVC 2016. The mean over images and classes, what counts in it, and the gradient are those
/// of all losses that are a fraction of overlaps: overlap/overlap.hpp. `smooth` stays what it is, so it counts for more
/// beside small weights of pixels.
///
///     [[loss]]
///     plugin = "iou"
///     weight = 0.5
///     smooth = 1.0             # added above and below; keeps absent classes finite
///     per_image = true         # false: one J per class over the whole batch
///     ignore_empty = false     # leave out a J whose class has no valid target pixel; the mean is over the rest
///     class_weight = []        # one per class, or none: 1 each
#include <osteon/sdk/loss.hpp>

#include "iou_params.hpp"
#include "overlap/overlap.hpp"
#if defined(OSTEON_TORCH_CUDA)
#include "iou_expression.hpp"
#endif

namespace {

using namespace osteon::sdk;
using namespace osteon::losses;

class Iou {
 public:
  using Params = IouParams;
  static constexpr std::uint32_t kUnderstands = kOverlapUnderstands;

  Iou(const Params& params, const LossRequest& request)
      : overlap_(params, false, request, [smooth = params.smooth](const OverlapSums& sums) -> OverlapTerm {
          const double above = sums.overlap + smooth, below = sums.probability + sums.target - sums.overlap + smooth;
          if (below <= 0) return {};
          return {1 - above / below, -(above + below) / (below * below), above / (below * below)};
        }) {}

  double evaluate(const Call& call, const LossInput& in) const { return overlap_.evaluate(call, in); }

 private:
  Overlap overlap_;
};

osteon_component component() {
  const About about = {"iou", "1.0.0",
                       "Soft intersection over union from logits, per image and class or over the batch; sigmoid for "
                       "multilabel data, softmax for multiclass data.",
                       "Rahman and Wang, ISVC 2016"};
#if defined(OSTEON_TORCH_CUDA)
  return loss<Iou, osteon::losses::IouExpression>(about);
#else
  return loss<Iou>(about);
#endif
}

}  // namespace

OSTEON_PLUGIN("iou", "1.0.0", component())
