// SPDX-License-Identifier: Apache-2.0

/// Multi-scale structural similarity of probabilities and labels, for multilabel data, as UNet 3+ is trained with
/// (arXiv:2004.08790); Wang et al., "Multiscale structural similarity for image quality assessment", Asilomar 2003:
///
///     S     = 1 - product over scales s of  max(0, v_s)^e_s
///     v_s   = mean over places of  cs = (2 cov + C2) / (var_p + var_t + C2); at the last scale of  cs times
///             (2 m_p m_t + C1) / (m_p^2 + m_t^2 + C1)
///     e     = 0.0448, 0.2856, 0.3001, 0.2363, 0.1333;  C1 = 0.01^2, C2 = 0.03^2
///
/// Means m, variances and the covariance of p = sigmoid(x) and the target t are those under a Gaussian window of 11 x
/// 11 and sigma 1.5, at every place where it lies in the image. From scale to scale p and t are means of 2 x 2 pixels.
/// An image whose shorter side is below 176 has fewer scales, those in which a window fits, whose exponents are then
/// scaled to the sum of all; the loss says so in the log once for each number of scales. Below 11 it has one scale, and
/// a window as wide as the shorter side.
///
/// There is an S for each image and class; the value is their mean, each weighted by the sample weight of its image
/// (not divided out again) and by class_weight, which is divided out. Images without a valid pixel do not count, nor
/// does a class that is unknown in an image. Weights of pixels weigh what is under a window and in the means of 2 x 2,
/// and a place counts what the pixels under it do; a pixel of weight 0 is one that is not valid. Targets are bits, or
/// lie between 0 and 1.
///
/// A class whose v is below 0 at some scale, for it says the opposite of what is there, has S = 1 and no gradient: the
/// loss is made to be used beside bce and iou, as in UNet 3+.
///
///     [[loss]]
///     plugin = "ms_ssim"
///     weight = 1.0
///     ignore_empty = false     # leave out classes that have no valid target pixel; the mean is over the rest
///     class_weight = []        # one per class, or none: 1 each
///
/// A thread works on one class of one image at a time: three numbers a pixel at all scales, four where pixels have
/// weights.
#include <atomic>

#include <osteon/sdk/loss.hpp>
#include <osteon/sdk/loss_mean.hpp>
#include <osteon/sdk/parallel.hpp>
#include <osteon/sdk/vector_math.hpp>

#include "ms_ssim_params.hpp"
#include "ssim_scale.hpp"
#if defined(OSTEON_TORCH_CUDA)
#include "ms_ssim_expression.hpp"
#endif

namespace {

using namespace osteon::sdk;
using namespace osteon::losses;

constexpr std::int64_t kMaxRun = LossInput::kMaxRun;

OSTEON_MULTIVERSION void probabilities(const float* logits, const float* weight, std::int64_t count, float* p) {
  OSTEON_VECTOR_LOOP
  for (std::int64_t i = 0; i < count; ++i) p[i] = vector_select(weight[i] != 0, vector_sigmoid(logits[i]).p, 0);
}

OSTEON_MULTIVERSION void gradient_of(const float* logits, const float* weight, const float* slope, float scale,
                                     std::int64_t count, float* gradient) {
  OSTEON_VECTOR_LOOP
  for (std::int64_t i = 0; i < count; ++i) {
    const Sigmoid s = vector_sigmoid(logits[i]);
    gradient[i] = vector_select(weight[i] != 0, scale * slope[i] * s.p * s.q, 0);
  }
}

/// The scales of images of one size: windows, exponents, and where their planes lie.
struct Pyramid {
  Pyramid(std::int64_t height, std::int64_t width) : exponents(ssim_exponents(height, width)) {
    for (std::size_t s = 0; s < exponents.size(); ++s) {
      scales.emplace_back(ssim_window(height, width), width, s + 1 == exponents.size());
      sizes.push_back({height, width});
      pixels += height * width;
      rows = std::max(rows, scales.back().room());
      height /= 2;
      width /= 2;
    }
  }

  std::vector<double> exponents;
  std::vector<SsimScale> scales;
  std::vector<std::array<std::int64_t, 2>> sizes;
  std::int64_t pixels = 0;  ///< of all scales
  std::int64_t rows = 0;    ///< numbers that the scale with most rows needs
};

class MsSsim {
 public:
  using Params = MsSsimParams;
  static constexpr std::uint32_t kUnderstands = kMsSsimUnderstands;

  MsSsim(const Params& params, const LossRequest& request)
      : mean_{true, params.ignore_empty, class_weights(params.class_weight, request.n_classes)} {
    if (request.multiclass)
      throw Unsupported(
          "ms_ssim treats classes independently, but this data has exactly one class per pixel; use lovasz, iou or "
          "dice");
  }

  double evaluate(const Call& call, const LossInput& in) const {
    const std::vector<double> shares = mean_.shares(call, in);
    if (shares.empty()) {
      in.store_zero_gradient();
      return 0;
    }
    const Pyramid pyramid(in.h(), in.w());
    say_scales(call, in, pyramid);
    const auto threads = static_cast<std::size_t>(call.threads());
    float* planes = call.scratch<float>(threads * 4 * static_cast<std::size_t>(pyramid.pixels));
    double* rows = call.scratch<double>(threads * static_cast<std::size_t>(pyramid.rows));
    return parallel_sum(call, in.n() * in.k(), [&](std::int64_t item, int thread) {
      const std::int64_t i = item / in.k(), c = item % in.k();
      const double weight = shares[static_cast<std::size_t>(item)] * in.sample_weight(i);
      if (shares[static_cast<std::size_t>(item)] == 0) {
        in.store_zero_gradient(i, c, 0, in.pixels());
        return 0.0;
      }
      return weight * of_class(call, in, i, c, pyramid, weight, planes + thread * 4 * pyramid.pixels,
                               rows + thread * pyramid.rows);
    });
  }

 private:
  /// Hosts try a loss on a few pixels first, which nobody needs to hear of.
  void say_scales(const Call& call, const LossInput& in, const Pyramid& pyramid) const {
    const std::size_t scales = pyramid.exponents.size();
    if (scales == kSsimScales || std::min(in.h(), in.w()) < kSsimTaps) return;
    const std::uint32_t bit = 1u << scales;
    if ((said_.fetch_or(bit) & bit) != 0) return;
    call.info("ms_ssim: images of " + std::to_string(in.w()) + " x " + std::to_string(in.h()) + " have " +
              std::to_string(scales) + " of 5 scales, in which its window of 11 pixels fits; 5 need 176 pixels");
  }

  static double of_class(const Call& call, const LossInput& in, std::int64_t i, std::int64_t c, const Pyramid& pyramid,
                         double weight, float* memory, double* rows) {
    const bool weighted = in.valid_pixels(i) < in.pixels() || in.raw().pixel_weight != nullptr;
    const std::size_t n = pyramid.scales.size();
    float *p = memory, *t = p + pyramid.pixels, *slope = t + pyramid.pixels, *w = slope + pyramid.pixels;
    read(in, i, c, p, t, w);
    std::vector<SsimPlanes> planes;
    std::vector<SsimMean> means;
    double similarity = 1;
    for (std::size_t s = 0; s < n; ++s) {
      call.stop_if_cancelled();
      const auto [height, width] = pyramid.sizes[s];
      planes.push_back({height, width, p, t, weighted ? w : nullptr, in.wants_gradient() ? slope : nullptr});
      means.push_back(pyramid.scales[s].run(planes[s], rows));
      if (means[s].mass > 0) {
        const double mean = means[s].sum / means[s].mass;
        similarity *= mean <= 0 ? 0 : std::pow(mean, pyramid.exponents[s]);
      }
      p += height * width, t += height * width, slope += height * width, w += height * width;
      if (s + 1 < n) halve(planes[s], p, t, w);
    }
    if (!in.wants_gradient()) return 1 - similarity;

    // d similarity / d v_s = similarity e_s / v_s; from the coarsest scale back to the image.
    for (std::size_t s = n; s-- > 0;) {
      const bool counts = similarity != 0 && means[s].mass > 0;
      const auto scale = static_cast<float>(counts ? similarity * pyramid.exponents[s] / means[s].sum : 0);
      if (s + 1 < n)
        add_halved_slope(planes[s], planes[s + 1].weight, planes[s + 1].slope, scale);
      else
        for (std::int64_t at = 0; at < planes[s].height * planes[s].width; ++at) planes[s].slope[at] *= scale;
    }
    write(in, i, c, planes[0].slope, static_cast<float>(-in.grad_scale() * weight));
    return 1 - similarity;
  }

  static void read(const LossInput& in, std::int64_t i, std::int64_t c, float* p, float* t, float* w) {
    for (std::int64_t run = 0; run < in.runs(); ++run) {
      const std::int64_t first = run * kMaxRun, count = in.run_length(run);
      alignas(64) float buffer[kMaxRun];
      in.weights(i, first, count, w + first);
      probabilities(in.logits(i, c, first, count, buffer), w + first, count, p + first);
      const float* target = in.targets(i, c, first, count, buffer);
      for (std::int64_t at = 0; at < count; ++at) t[first + at] = vector_select(w[first + at] != 0, target[at], 0);
    }
  }

  static void write(const LossInput& in, std::int64_t i, std::int64_t c, const float* slope, float scale) {
    for (std::int64_t run = 0; run < in.runs(); ++run) {
      const std::int64_t first = run * kMaxRun, count = in.run_length(run);
      alignas(64) float widened[kMaxRun];
      alignas(64) float weight[kMaxRun];
      alignas(64) float gradient[kMaxRun];
      gradient_of(in.logits(i, c, first, count, widened), in.weights(i, first, count, weight), slope + first, scale,
                  count, gradient);
      in.store_gradient(i, c, first, count, gradient);
    }
  }

  MeanOfClasses mean_;
  mutable std::atomic<std::uint32_t> said_{0};  ///< numbers of scales that the log has
};

osteon_component component() {
  const About about = {
      "ms_ssim", "1.0.0",
      "Multi-scale structural similarity of probabilities and labels, from logits, per image and class; "
      "multilabel data.",
      "Wang et al., Asilomar 2003; arXiv:2004.08790"};
#if defined(OSTEON_TORCH_CUDA)
  return loss<MsSsim, osteon::losses::MsSsimExpression>(about);
#else
  return loss<MsSsim>(about);
#endif
}

}  // namespace

OSTEON_PLUGIN("ms_ssim", "1.0.0", component())
