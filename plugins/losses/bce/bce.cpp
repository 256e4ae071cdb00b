// SPDX-License-Identifier: Apache-2.0

/// Binary cross entropy of every class on its own, for multilabel data:
///
///     t       = bit (1 - label_smoothing) + label_smoothing / 2
///     l(x, t) = (1 - t) softplus(x) + pos_weight_c t softplus(-x)
///     value   = sum over images i, classes c, valid pixels p of  sample_weight_i class_weight_c l
///               / (valid pixels x sum of class_weight)
///
/// With the defaults this is torch.nn.BCEWithLogitsLoss. A sample weight scales what its image adds and is not divided
/// out again, so a batch of one image of weight 0.5 counts half.
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
OSTEON_MULTIVERSION double bce_run(const float* logits, const std::uint32_t* plane, unsigned bit,
                                   const std::uint8_t* valid, std::int64_t count, const ClassFactors& factors,
                                   float scale, float* gradient) {
  const float negative0 = factors.negative[0], negative1 = factors.negative[1];
  const float positive0 = factors.positive[0], positive1 = factors.positive[1];
  alignas(64) float values[LossInput::kMaxRun];
  OSTEON_VECTOR_LOOP
  for (std::int64_t p = 0; p < count; ++p) {
    const float x = logits[p];
    const bool set = ((plane[p] >> bit) & 1u) != 0;
    const float a = vector_select(set, negative1, negative0);
    const float b = vector_select(set, positive1, positive0);
    const Sigmoid s = vector_sigmoid(x);
    const float above = vector_select(x > 0, x, 0);
    const float below = vector_select(x < 0, -x, 0);
    const float value = a * above + b * below + (a + b) * vector_log1p_unit(s.u);
    const float slope = scale * (a * s.p - b * s.q);
    values[p] = vector_select(valid[p] != 0, value, 0);
    gradient[p] = vector_select(valid[p] != 0, slope, 0);
  }
  return vector_sum(values, count);
}

class Bce {
 public:
  using Params = osteon::losses::BceParams;

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
      factors_.push_back(
          {{static_cast<float>(share * (1 - low)), static_cast<float>(share * low)},
           {static_cast<float>(share * positive[c] * low), static_cast<float>(share * positive[c] * (1 - low))}});
    }
  }

  double evaluate(const Call& call, const LossInput& in) const {
    const double mean = 1.0 / static_cast<double>(in.valid_pixels());
    const std::int64_t k = in.k();
    // Classes of one run follow each other, so that its bit plane is read from the first-level cache.
    return mean * parallel_sum(call, in.n() * in.runs() * k, [&](std::int64_t index, int) {
             const std::int64_t c = index % k, run = index / k % in.runs(), i = index / k / in.runs();
             const std::int64_t first = run * LossInput::kMaxRun, count = in.run_length(run);
             alignas(64) float widened[LossInput::kMaxRun];
             alignas(64) float gradient[LossInput::kMaxRun];
             const float* logits = in.logits(i, c, first, count, widened);
             const double weight = in.sample_weight(i);
             const auto scale = static_cast<float>(in.grad_scale() * mean * weight);
             const double sum =
                 bce_run(logits, in.plane(i, c, first), static_cast<unsigned>(c % 32), in.valid(i, first), count,
                         factors_[static_cast<std::size_t>(c)], scale, gradient);
             in.store_gradient(i, c, first, count, gradient);
             return weight * sum;
           });
  }

 private:
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
