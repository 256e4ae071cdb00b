// SPDX-License-Identifier: Apache-2.0

/// Focal loss of every class on its own, for multilabel data. `mode = "pixel"`, of Lin et al., "Focal Loss for Dense
/// Object Detection", ICCV 2017 (arXiv:1708.02002), for targets between 0 and 1 as torchvision's sigmoid_focal_loss:
///
///     ce    = (1 - t) softplus(x) + t softplus(-x)
///     p_t   = t p + (1 - t) (1 - p),   p = sigmoid(x)
///     a     = alpha t + (1 - alpha) (1 - t), or 1 where alpha is below 0
///     value = sum over images i, known classes c, valid pixels p of  sample_weight_i class_weight_c w_p a (1 -
///     p_t)^gamma ce
///             / sum over the same of  class_weight_c w_p
///
/// `mode = "batch"` is no focal loss of pixels, but a cross entropy that slows down as it falls: the mean comes first.
/// The hand-bone experiments used it, and their figures are reproduced with it alone:
///
///     m     = the value of bce: the mean of sample_weight_i ce by the weights above
///     value = alpha (1 - e^-m)^gamma m
///
/// Weights of pixels and classes are divided out and weights of samples are not, as in bce. A class that is unknown in
/// an image is left out there.
///
///     [[loss]]
///     plugin = "focal"
///     weight = 0.5
///     mode = "pixel"           # "batch": of the mean
///     alpha = 0.25             # of set pixels, 1 - alpha of clear ones; batch: a factor; -1: none
///     gamma = 2.0              # 0: bce times alpha
///     class_weight = []        # one per class, or none: 1 each
///
/// Of pixels, value and gradient are computed in one pass from the bit planes. Of the batch, in two: every derivative
/// has the mean in it.
#include <cmath>

#include <osteon/sdk/loss.hpp>
#include <osteon/sdk/loss_mean.hpp>
#include <osteon/sdk/vector_math.hpp>

#include "focal_params.hpp"
#if defined(OSTEON_TORCH_CUDA)
#include "focal_expression.hpp"
#endif

namespace {

using namespace osteon::sdk;

constexpr std::int64_t kMaxRun = LossInput::kMaxRun;

/// What a clear and a set pixel of a class count.
struct ClassFactors {
  float clear, set;
};

/// The loss of a pixel and its derivative, but for the factor a.
struct ValueAndSlope {
  float value, slope;
};

/// softplus(x), with u = e^-|x|.
OSTEON_INLINE float softplus(float x, float u) { return vector_select(x > 0, x, 0) + vector_log1p_unit(u); }

/// Of a bit: with z, how wrong the logit is, 1 - p_t = sigmoid(z) and ce = softplus(z). Another power than the square
/// is e^(-gamma softplus(-z)).
template <bool kSquare>
OSTEON_INLINE ValueAndSlope focal_of(const BitRun run, std::int64_t p, float x, float gamma) {
  const float z = run.turn(p, x);
  const Sigmoid s = vector_sigmoid(z);
  const float entropy = softplus(z, s.u);
  const float power = kSquare ? s.p * s.p : vector_exp(gamma * (z - entropy));
  return {power * entropy, run.turn(p, power * (gamma * s.q * entropy + s.p))};
}
template <bool kSquare>
OSTEON_INLINE ValueAndSlope focal_of(const SoftRun run, std::int64_t p, float x, float gamma) {
  const Sigmoid s = vector_sigmoid(x);
  const float entropy = run.mix(p, softplus(x, s.u), softplus(-x, s.u)), entropy_slope = run.mix(p, s.p, -s.q);
  const float miss = run.mix(p, s.p, s.q), miss_slope = run.mix(p, s.slope, -s.slope);
  const float power = kSquare ? miss * miss : vector_exp(gamma * vector_log(miss));
  return {power * entropy, power * (gamma * miss_slope / miss * entropy + entropy_slope)};
}

/// The sum of the weighted losses of a run, and its gradient times `scale`. `kSquare`: gamma is 2.
template <bool kSquare, class Run>
OSTEON_INLINE double focal_loop(const float* logits, const Run run, std::int64_t count, ClassFactors factors,
                                float gamma, float scale, float* gradient) {
  const float clear = factors.clear, set = factors.set;
  alignas(64) float values[kMaxRun];
  OSTEON_VECTOR_LOOP
  for (std::int64_t p = 0; p < count; ++p) {
    const ValueAndSlope focal = focal_of<kSquare>(run, p, logits[p], kSquare ? 2.0f : gamma);
    const float factor = run.mix(p, clear, set);
    values[p] = run.weigh(p, factor * focal.value);
    gradient[p] = run.weigh(p, scale * factor * focal.slope);
  }
  return vector_sum(values, count);
}
OSTEON_MULTIVERSION double square_focal_run(const float* logits, BitRun run, std::int64_t count, ClassFactors factors,
                                            float scale, float* gradient) {
  return focal_loop<true>(logits, run, count, factors, 2, scale, gradient);
}
OSTEON_MULTIVERSION double square_focal_run(const float* logits, SoftRun run, std::int64_t count, ClassFactors factors,
                                            float scale, float* gradient) {
  return focal_loop<true>(logits, run, count, factors, 2, scale, gradient);
}
OSTEON_MULTIVERSION double focal_run(const float* logits, BitRun run, std::int64_t count, ClassFactors factors,
                                     float gamma, float scale, float* gradient) {
  return focal_loop<false>(logits, run, count, factors, gamma, scale, gradient);
}
OSTEON_MULTIVERSION double focal_run(const float* logits, SoftRun run, std::int64_t count, ClassFactors factors,
                                     float gamma, float scale, float* gradient) {
  return focal_loop<false>(logits, run, count, factors, gamma, scale, gradient);
}

/// The cross entropy of a pixel.
OSTEON_INLINE float entropy_of(const BitRun run, std::int64_t p, float x) {
  return softplus(run.turn(p, x), vector_sigmoid(x).u);
}
OSTEON_INLINE float entropy_of(const SoftRun run, std::int64_t p, float x) {
  const float u = vector_sigmoid(x).u;
  return run.mix(p, softplus(x, u), softplus(-x, u));
}

/// The sum of the weighted cross entropies of a run.
template <class Run>
OSTEON_INLINE double entropy_loop(const float* logits, const Run run, std::int64_t count) {
  alignas(64) float values[kMaxRun];
  OSTEON_VECTOR_LOOP
  for (std::int64_t p = 0; p < count; ++p) values[p] = run.weigh(p, entropy_of(run, p, logits[p]));
  return vector_sum(values, count);
}
OSTEON_MULTIVERSION double entropy_run(const float* logits, BitRun run, std::int64_t count) {
  return entropy_loop(logits, run, count);
}
OSTEON_MULTIVERSION double entropy_run(const float* logits, SoftRun run, std::int64_t count) {
  return entropy_loop(logits, run, count);
}

/// Its derivative.
OSTEON_INLINE float entropy_slope_of(const BitRun run, std::int64_t p, float x) {
  return run.turn(p, vector_sigmoid(run.turn(p, x)).p);
}
OSTEON_INLINE float entropy_slope_of(const SoftRun run, std::int64_t p, float x) {
  const Sigmoid s = vector_sigmoid(x);
  return run.mix(p, s.p, -s.q);
}

/// The gradient of the sum, times `scale`.
template <class Run>
OSTEON_INLINE void entropy_gradient_loop(const float* logits, const Run run, std::int64_t count, float scale,
                                         float* gradient) {
  OSTEON_VECTOR_LOOP
  for (std::int64_t p = 0; p < count; ++p) gradient[p] = run.weigh(p, scale * entropy_slope_of(run, p, logits[p]));
}
OSTEON_MULTIVERSION void entropy_gradient(const float* logits, BitRun run, std::int64_t count, float scale,
                                          float* gradient) {
  entropy_gradient_loop(logits, run, count, scale, gradient);
}
OSTEON_MULTIVERSION void entropy_gradient(const float* logits, SoftRun run, std::int64_t count, float scale,
                                          float* gradient) {
  entropy_gradient_loop(logits, run, count, scale, gradient);
}

class Focal {
 public:
  using Params = osteon::losses::FocalParams;
  static constexpr std::uint32_t kUnderstands = osteon::losses::kFocalUnderstands;

  Focal(const Params& params, const LossRequest& request) : params_(params) {
    if (request.multiclass)
      throw Unsupported(
          "focal treats classes independently, but this data has exactly one class per pixel; use cross_entropy or "
          "dice");
    share_ = ClassShares(params.class_weight, request.n_classes);
  }

  double evaluate(const Call& call, const LossInput& in) const {
    const double total = share_.weight_sum(in);
    if (total <= 0) {  // only classes of weight 0 are known
      in.store_zero_gradient();
      return 0;
    }
    return params_.of_batch() ? of_batch(call, in, 1 / total) : of_pixels(call, in, 1 / total);
  }

 private:
  double of_pixels(const Call& call, const LossInput& in, double mean) const {
    const double set = params_.alpha < 0 ? 1 : params_.alpha, clear = params_.alpha < 0 ? 1 : 1 - params_.alpha;
    const auto gamma = static_cast<float>(params_.gamma);
    return mean * sum_over_runs(call, in, [&](const ClassRun& run, auto pixels) {
             alignas(64) float gradient[kMaxRun];
             const double weight = in.sample_weight(run.image), share = share_[run.c];
             const ClassFactors factors{static_cast<float>(share * clear), static_cast<float>(share * set)};
             const auto scale = static_cast<float>(in.grad_scale() * mean * weight);
             const double sum = params_.gamma == 2
                                    ? square_focal_run(run.logits, pixels, run.count, factors, scale, gradient)
                                    : focal_run(run.logits, pixels, run.count, factors, gamma, scale, gradient);
             in.store_gradient(run.image, run.c, run.first, run.count, gradient);
             return weight * sum;
           });
  }

  double of_batch(const Call& call, const LossInput& in, double mean) const {
    const auto weight_of = [&](const ClassRun& run) { return mean * in.sample_weight(run.image) * share_[run.c]; };
    const double entropy = sum_over_runs(call, in, [&](const ClassRun& run, auto pixels) {
      return weight_of(run) * entropy_run(run.logits, pixels, run.count);
    });
    const double factor = params_.alpha < 0 ? 1 : params_.alpha;
    const double miss = -std::expm1(-entropy), power = factor * std::pow(miss, params_.gamma);
    if (in.wants_gradient()) {
      const double ratio = miss > 0 ? entropy / miss : 1;  // its limit
      const double slope = power * (params_.gamma * ratio * std::exp(-entropy) + 1);
      sum_over_runs(call, in, [&](const ClassRun& run, auto pixels) {
        alignas(64) float gradient[kMaxRun];
        entropy_gradient(run.logits, pixels, run.count, static_cast<float>(in.grad_scale() * slope * weight_of(run)),
                         gradient);
        in.store_gradient(run.image, run.c, run.first, run.count, gradient);
        return 0.0;
      });
    }
    return power * entropy;
  }

  Params params_;
  ClassShares share_;
};

osteon_component component() {
  const About about = {"focal", "1.0.0",
                       "Focal loss of each class on its own, from logits, of pixels or of the batch's mean; multilabel "
                       "data.",
                       "arXiv:1708.02002"};
#if defined(OSTEON_TORCH_CUDA)
  return loss<Focal, osteon::losses::FocalExpression>(about);
#else
  return loss<Focal>(about);
#endif
}

}  // namespace

OSTEON_PLUGIN("focal", "1.0.0", component())
