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
#include <numeric>

#include <osteon/sdk/loss.hpp>
#include <osteon/sdk/parallel.hpp>
#include <osteon/sdk/vector_math.hpp>

#include "bce_params.hpp"
#if defined(OSTEON_TORCH_CUDA)
#include "bce_expression.hpp"
#endif

namespace {

using namespace osteon::sdk;
using osteon::losses::per_class;

/// Factors of softplus(x) and softplus(-x) for a class, where its bit is clear [0] and where it is set [1].
struct ClassFactors {
  float negative[2];
  float positive[2];
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
OSTEON_MULTIVERSION double bce_run(const float* logits, BitRun run, std::int64_t count, const ClassFactors& factors,
                                   float scale, float* gradient) {
  return bce_loop(logits, run, count, factors, scale, gradient);
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
    const auto n = static_cast<std::size_t>(request.n_classes);
    const std::vector<double> positive = per_class(params.pos_weight, n, "pos_weight");
    const std::vector<double> weight = per_class(params.class_weight, n, "class_weight");
    const double total = std::accumulate(weight.begin(), weight.end(), 0.0);
    if (!(total > 0)) throw InvalidArgument("class_weight: at least one class needs a weight above 0");
    const double low = params.label_smoothing / 2;
    for (std::size_t c = 0; c < n; ++c) {
      const double share = weight[c] / total;
      share_.push_back(share);
      factors_.push_back(
          {{static_cast<float>(share * (1 - low)), static_cast<float>(share * low)},
           {static_cast<float>(share * positive[c] * low), static_cast<float>(share * positive[c] * (1 - low))}});
    }
  }

  double evaluate(const Call& call, const LossInput& in) const {
    const double total = total_weight(in);
    if (total <= 0) {  // only classes of weight 0 are known
      in.store_zero_gradient();
      return 0;
    }
    const double mean = 1.0 / total;
    const std::int64_t k = in.k();
    // Classes of one run follow each other, so that its bit plane is read from the first-level cache.
    return mean * parallel_sum(call, in.n() * in.runs() * k, [&](std::int64_t index, int) {
             const std::int64_t c = index % k, run = index / k % in.runs(), i = index / k / in.runs();
             const std::int64_t first = run * LossInput::kMaxRun, count = in.run_length(run);
             if (!in.class_valid(i, c)) {
               in.store_zero_gradient(i, c, first, count);
               return 0.0;
             }
             alignas(64) float widened[LossInput::kMaxRun];
             alignas(64) float gradient[LossInput::kMaxRun];
             const float* logits = in.logits(i, c, first, count, widened);
             const double weight = in.sample_weight(i);
             const auto scale = static_cast<float>(in.grad_scale() * mean * weight);
             const double sum = in.with_run(i, c, first, count, [&](auto pixels) {
               return bce_run(logits, pixels, count, factors_[static_cast<std::size_t>(c)], scale, gradient);
             });
             in.store_gradient(i, c, first, count, gradient);
             return weight * sum;
           });
  }

 private:
  /// The divisor, over the sum of class weights: what all pixels of all known classes count together.
  double total_weight(const LossInput& in) const {
    if (!in.has_class_valid()) return in.weight_sum();
    double total = 0;
    for (std::int64_t i = 0; i < in.n(); ++i)
      for (std::int64_t c = 0; c < in.k(); ++c)
        if (in.class_valid(i, c)) total += in.weight_sum(i) * share_[static_cast<std::size_t>(c)];
    return total;
  }

  std::vector<double> share_;  ///< of each class in the sum of class weights
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
