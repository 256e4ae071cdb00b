// SPDX-License-Identifier: Apache-2.0

/// Soft Dice over whole images, from logits; multilabel data (sigmoid) and multiclass data (softmax):
///
///     D = 1 - (2 I + smooth) / (P + T + smooth),   I = sum w p t,  P = sum w p,  T = sum w t   over valid pixels
///
/// D is 0 where smooth, P and T are all 0. `squared = true`: P = sum w p^2, T = sum w t^2, as in Milletari et al.,
/// "V-Net", 3DV 2016 (arXiv:1606.04797). The mean over images and classes, what counts in it, and the gradient are
/// those of all losses that are a fraction of overlaps: overlap/overlap.hpp. `smooth` stays what it is, so it counts
/// for more beside small weights of pixels.
///
///     [[loss]]
///     plugin = "dice"
///     weight = 0.5
///     smooth = 1.0             # added above and below: 1 as in the seed; keeps absent classes finite
///     squared = false          # squares in P and T
///     per_image = true         # false: one Dice per class over the whole batch
///     ignore_empty = false     # leave out a Dice whose class has no valid target pixel; the mean is over the rest
///     class_weight = []        # one per class, or none: 1 each
#include <osteon/sdk/loss.hpp>

#include "dice_params.hpp"
#include "overlap/overlap.hpp"
#if defined(OSTEON_TORCH_CUDA)
#include "dice_expression.hpp"
#endif

namespace {

using namespace osteon::sdk;
using namespace osteon::losses;

class Dice {
 public:
  using Params = DiceParams;
  static constexpr std::uint32_t kUnderstands = kOverlapUnderstands;

  Dice(const Params& params, const LossRequest& request)
      : overlap_(params, params.squared, request, [smooth = params.smooth](const OverlapSums& sums) -> OverlapTerm {
          const double above = 2 * sums.overlap + smooth, below = sums.probability + sums.target + smooth;
          if (below <= 0) return {};
          return {1 - above / below, -2 / below, above / (below * below)};
        }) {}

  double evaluate(const Call& call, const LossInput& in) const { return overlap_.evaluate(call, in); }

 private:
  Overlap overlap_;
};

osteon_component component() {
  const About about = {"dice", "1.0.0",
                       "Soft Dice from logits, per image and class or over the batch; sigmoid for multilabel data, "
                       "softmax for multiclass data.",
                       "arXiv:1606.04797"};
#if defined(OSTEON_TORCH_CUDA)
  return loss<Dice, osteon::losses::DiceExpression>(about);
#else
  return loss<Dice>(about);
#endif
}

}  // namespace

OSTEON_PLUGIN("dice", "1.0.0", component())
