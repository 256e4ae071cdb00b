// SPDX-License-Identifier: Apache-2.0

/// Tversky loss over whole images, from logits; multilabel data (sigmoid) and multiclass data (softmax):
///
///     V = (1 - (I + smooth) / (I + alpha (P - I) + beta (T - I) + smooth))^(1 / gamma)
///     I = sum w p t,  P = sum w p,  T = sum w t   over valid pixels
///
/// P - I is what is found and is not there, T - I what is there and was missed: beta above alpha punishes what is
/// missed. alpha = beta = 1/2 is dice, alpha = beta = 1 is iou. Salehi et al., MLMI 2017 (arXiv:1706.05721), whose
/// gamma is 1. Above 1 it is the focal Tversky loss of Abraham and Khan, ISBI 2019 (arXiv:1810.07842), which looks at
/// classes that are not found yet; gamma is theirs, 4/3 in the paper. Some code, and that of the authors, calls the
/// exponent gamma: their 0.75 is 4/3 here.
///
/// V is 0 where smooth, P and T are all 0. Where V is 0 its gradient is 0 unless gamma is 1. The mean over images and
/// classes, what counts in it, and the gradient are those of all losses that are a fraction of overlaps:
/// overlap/overlap.hpp. `smooth` stays what it is, so it counts for more beside small weights of pixels.
///
///     [[loss]]
///     plugin = "tversky"
///     weight = 0.5
///     alpha = 0.3              # weight of what is found too much
///     beta = 0.7               # weight of what is missed
///     gamma = 1.0              # above 1: focal Tversky
///     smooth = 1.0             # added above and below; keeps absent classes finite
///     per_image = true         # false: one V per class over the whole batch
///     ignore_empty = false     # leave out a V whose class has no valid target pixel; the mean is over the rest
///     class_weight = []        # one per class, or none: 1 each
#include <algorithm>
#include <cmath>

#include <osteon/sdk/loss.hpp>

#include "overlap/overlap.hpp"
#include "tversky_params.hpp"
#if defined(OSTEON_TORCH_CUDA)
#include "tversky_expression.hpp"
#endif

namespace {

using namespace osteon::sdk;
using namespace osteon::losses;

OverlapTerm tversky_of(const TverskyParams& params, const OverlapSums& sums) {
  const double above = sums.overlap + params.smooth;
  const double wrong = params.alpha * (sums.probability - sums.overlap) + params.beta * (sums.target - sums.overlap);
  const double below = above + wrong;
  if (below <= 0) return {};
  const double loss = wrong / below;
  const double by_overlap = -(below - above * (1 - params.alpha - params.beta)) / (below * below);
  const double by_probability = above * params.alpha / (below * below);
  if (params.gamma == 1) return {loss, by_overlap, by_probability};
  if (loss <= 0) return {};  // also by rounding
  // A root's slope at 0 has no end, and float32 has one.
  const double value = std::pow(loss, 1 / params.gamma), slope = value / std::max(loss, 1e-20) / params.gamma;
  return {value, slope * by_overlap, slope * by_probability};
}

class Tversky {
 public:
  using Params = TverskyParams;
  static constexpr std::uint32_t kUnderstands = kOverlapUnderstands;

  Tversky(const Params& params, const LossRequest& request)
      : overlap_(params, false, request, [params](const OverlapSums& sums) { return tversky_of(params, sums); }) {}

  double evaluate(const Call& call, const LossInput& in) const { return overlap_.evaluate(call, in); }

 private:
  Overlap overlap_;
};

osteon_component component() {
  const About about = {"tversky", "1.0.0",
                       "Tversky and focal Tversky loss from logits, per image and class or over the batch; sigmoid for "
                       "multilabel data, softmax for multiclass data.",
                       "arXiv:1706.05721, arXiv:1810.07842"};
#if defined(OSTEON_TORCH_CUDA)
  return loss<Tversky, osteon::losses::TverskyExpression>(about);
#else
  return loss<Tversky>(about);
#endif
}

}  // namespace

OSTEON_PLUGIN("tversky", "1.0.0", component())
