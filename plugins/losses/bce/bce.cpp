// SPDX-License-Identifier: Apache-2.0

/// Binary cross entropy of every class on its own, for multilabel data:
///
///     t       = target (1 - label_smoothing) + label_smoothing / 2
///     l(x, t) = (1 - t) softplus(x) + pos_weight_c t softplus(-x)
///     value   = sum over images i, known classes c, valid pixels p of  sample_weight_i class_weight_c w_p l
///               / sum over the same of  class_weight_c w_p
///
/// With the defaults this is torch.nn.BCEWithLogitsLoss. A sample weight scales what its image adds and is not divided
/// out again, so a batch of one image of weight 0.5 counts half. The weight w of a pixel (1, unless the data says so)
/// and of a class are divided out: doubling all of them changes nothing, and a pixel of weight 0 is one that is not
/// valid. A class that is unknown in an image is left out of both sums for that image. A target is a bit, or lies
/// between 0 and 1.
///
///     [[loss]]
///     plugin = "bce"
///     weight = 0.5
///     pos_weight = []          # one per class, or none: what a missed pixel costs against a false one
///     class_weight = []        # one per class, or none: 1 each
///     label_smoothing = 0.0
///
/// Value and gradient are computed in one pass from the bit planes; a dense target is never made.
#include <osteon/sdk/loss.hpp>
#include <osteon/sdk/loss_mean.hpp>
#include <osteon/sdk/vector_math.hpp>

#include "bce_params.hpp"
#if defined(OSTEON_TORCH_CUDA)
#include "bce_expression.hpp"
#endif

namespace {

using namespace osteon::sdk;

/// Factors of softplus(x) and softplus(-x) for a class, where its bit is clear [0] and where it is set [1].
struct ClassFactors {
  float negative[2];
  float positive[2];
  /// One of each is 0: no target was moved from 0 or 1.
  bool hard() const { return negative[1] == 0 && positive[0] == 0; }
};

/// The sum of the weighted losses of a run, and its gradient times `scale`.
template <class Run>
OSTEON_INLINE double bce_loop(const float* logits, const Run run, std::int64_t count, const ClassFactors& factors,
                              float scale, float* gradient) {
  const float negative0 = factors.negative[0], negative1 = factors.negative[1];
  const float positive0 = factors.positive[0], positive1 = factors.positive[1];
  alignas(64) float values[LossInput::kMaxRun];
  OSTEON_VECTOR_LOOP
  for (std::int64_t p = 0; p < count; ++p) {
    const float x = logits[p];
    const float a = run.mix(p, negative0, negative1);
    const float b = run.mix(p, positive0, positive1);
    const Sigmoid s = vector_sigmoid(x);
    const float above = vector_select(x > 0, x, 0);
    const float below = vector_select(x < 0, -x, 0);
    const float value = a * above + b * below + (a + b) * vector_log1p_unit(s.u);
    const float slope = scale * (a * s.p - b * s.q);
    values[p] = run.weigh(p, value);
    gradient[p] = run.weigh(p, slope);
  }
  return vector_sum(values, count);
}
/// The same for bits as they are: one softplus of how wrong the logit is.
OSTEON_INLINE double hard_bce_loop(const float* logits, const BitRun run, std::int64_t count,
                                   const ClassFactors& factors, float scale, float* gradient) {
  const float clear = factors.negative[0], set = factors.positive[1];
  alignas(64) float values[LossInput::kMaxRun];
  OSTEON_VECTOR_LOOP
  for (std::int64_t p = 0; p < count; ++p) {
    const float z = run.turn(p, logits[p]), factor = run.mix(p, clear, set);
    const Sigmoid s = vector_sigmoid(z);
    const float value = factor * (vector_select(z > 0, z, 0) + vector_log1p_unit(s.u));
    values[p] = run.weigh(p, value);
    gradient[p] = run.weigh(p, run.turn(p, scale * factor * s.p));
  }
  return vector_sum(values, count);
}
OSTEON_MULTIVERSION double bce_run(const float* logits, BitRun run, std::int64_t count, const ClassFactors& factors,
                                   float scale, float* gradient) {
  return factors.hard() ? hard_bce_loop(logits, run, count, factors, scale, gradient)
                        : bce_loop(logits, run, count, factors, scale, gradient);
}
OSTEON_MULTIVERSION double bce_run(const float* logits, SoftRun run, std::int64_t count, const ClassFactors& factors,
                                   float scale, float* gradient) {
  return bce_loop(logits, run, count, factors, scale, gradient);
}

class Bce {
 public:
  using Params = osteon::losses::BceParams;
  static constexpr std::uint32_t kUnderstands = osteon::losses::kBceUnderstands;

  Bce(const Params& params, const LossRequest& request) {
    if (request.multiclass)
      throw Unsupported(
          "bce treats classes independently, but this data has exactly one class per pixel; use cross_entropy or dice");
    const std::vector<double> positive = per_class(params.pos_weight, request.n_classes, "pos_weight");
    share_ = ClassShares(params.class_weight, request.n_classes);
    const double low = params.label_smoothing / 2;
    for (std::int64_t c = 0; c < request.n_classes; ++c) {
      const double share = share_[c], missed = share * positive[static_cast<std::size_t>(c)];
      factors_.push_back({{static_cast<float>(share * (1 - low)), static_cast<float>(share * low)},
                          {static_cast<float>(missed * low), static_cast<float>(missed * (1 - low))}});
    }
  }

  double evaluate(const Call& call, const LossInput& in) const {
    const double total = share_.weight_sum(in);
    if (total <= 0) {  // only classes of weight 0 are known
      in.store_zero_gradient();
      return 0;
    }
    const double mean = 1.0 / total;
    return mean * sum_over_runs(call, in, [&](const ClassRun& run, auto pixels) {
             alignas(64) float gradient[LossInput::kMaxRun];
             const double weight = in.sample_weight(run.image);
             const auto scale = static_cast<float>(in.grad_scale() * mean * weight);
             const double sum =
                 bce_run(run.logits, pixels, run.count, factors_[static_cast<std::size_t>(run.c)], scale, gradient);
             in.store_gradient(run.image, run.c, run.first, run.count, gradient);
             return weight * sum;
           });
  }

 private:
  ClassShares share_;
  std::vector<ClassFactors> factors_;
};

osteon_component component() {
  const About about = {"bce", "1.0.0", "Binary cross entropy of each class on its own, from logits; multilabel data.",
                       "torch.nn.BCEWithLogitsLoss"};
#if defined(OSTEON_TORCH_CUDA)
  return loss<Bce, osteon::losses::BceExpression>(about);
#else
  return loss<Bce>(about);
#endif
}

}  // namespace

OSTEON_PLUGIN("bce", "1.0.0", component())
