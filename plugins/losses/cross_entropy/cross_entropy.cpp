// SPDX-License-Identifier: Apache-2.0

/// Softmax cross entropy, for data with exactly one class per pixel:
///
///     l     = - sum over classes c of  class_weight_c q_c log softmax(x)_c
///     q_c   = (1 - label_smoothing) t_c + label_smoothing / K,   t_c = [c is the pixel's class]
///     value = sum over images i, valid pixels p of  sample_weight_i w_p l
///             / sum over valid pixels of  w_p sum over c of class_weight_c t_c
///
/// As torch.nn.CrossEntropyLoss. A sample weight scales what its image adds and is not divided out again; the weight w
/// of a pixel is, and is 1 unless the data says so: a pixel of weight 0 is one that is not valid. A valid pixel with no
/// class, or with more than one, is an error that names the pixel.
///
/// Targets t_c between 0 and 1 add up to 1 (within 1e-3) in every pixel that counts. Classes that are unknown in an
/// image take no part there: softmax, sums and K are those of the known ones, and the smoothing is spread over them in
/// the measure of S = sum of t_c over them, so that a pixel without any known class adds nothing.
///
///     [[loss]]
///     plugin = "cross_entropy"
///     class_weight = []        # one per class, or none: 1 each
///     label_smoothing = 0.0
#include <numeric>

#include <osteon/sdk/loss.hpp>
#include <osteon/sdk/loss_mean.hpp>
#include <osteon/sdk/parallel.hpp>
#include <osteon/sdk/vector_math.hpp>

#include "cross_entropy_params.hpp"
#if defined(OSTEON_TORCH_CUDA)
#include "cross_entropy_expression.hpp"
#endif

namespace {

using namespace osteon::sdk;

OSTEON_MULTIVERSION void log_softmax(float* rows, std::int64_t classes, std::int64_t count, float* scratch) {
  vector_log_softmax(rows, classes, count, count, scratch, scratch + count);
}

/// One class of a run: adds its share to the value and to the weight sum of each pixel's targets, and counts its
/// pixels. `off` and `on` are class_weight q where the bit is clear and set.
OSTEON_MULTIVERSION double class_value(const float* log_p, const std::uint32_t* plane, unsigned bit,
                                       const std::uint8_t* valid, std::int64_t count, float off, float on,
                                       float* weight, std::uint32_t* hits) {
  alignas(64) float values[LossInput::kMaxRun];
  OSTEON_VECTOR_LOOP
  for (std::int64_t p = 0; p < count; ++p) {
    const std::uint32_t set = (plane[p] >> bit) & 1u;
    const float q = vector_select(set != 0, on, off);
    values[p] = vector_select(valid[p] != 0, -q * log_p[p], 0);
    weight[p] += q;
    hits[p] += set;
  }
  return vector_sum(values, count);
}

/// log_p becomes scale (weight p - class_weight q), 0 where invalid.
OSTEON_MULTIVERSION void class_gradient(float* log_p, const std::uint32_t* plane, unsigned bit,
                                        const std::uint8_t* valid, std::int64_t count, float off, float on,
                                        const float* weight, float scale) {
  OSTEON_VECTOR_LOOP
  for (std::int64_t p = 0; p < count; ++p) {
    const float q = vector_select(((plane[p] >> bit) & 1u) != 0, on, off);
    const float slope = scale * (weight[p] * vector_exp(log_p[p]) - q);
    log_p[p] = vector_select(valid[p] != 0, slope, 0);
  }
}

/// One class of a run whose pixels have weights, or targets between 0 and 1: adds q to `mass` and gives the sum of
/// - weight q log_p, where q = spread known + focus target.
OSTEON_MULTIVERSION double class_value_of_shares(const float* log_p, const float* target, const float* weight,
                                                 const float* known, std::int64_t count, float spread, float focus,
                                                 float* mass) {
  alignas(64) float values[LossInput::kMaxRun];
  OSTEON_VECTOR_LOOP
  for (std::int64_t p = 0; p < count; ++p) {
    const float q = spread * known[p] + focus * target[p];
    values[p] = vector_select(weight[p] != 0, -weight[p] * q * log_p[p], 0);
    mass[p] += q;
  }
  return vector_sum(values, count);
}

/// log_p becomes scale weight (mass p - q).
OSTEON_MULTIVERSION void class_gradient_of_shares(float* log_p, const float* target, const float* weight,
                                                  const float* known, std::int64_t count, float spread, float focus,
                                                  const float* mass, float scale) {
  OSTEON_VECTOR_LOOP
  for (std::int64_t p = 0; p < count; ++p) {
    const float q = spread * known[p] + focus * target[p];
    const float slope = scale * weight[p] * (mass[p] * vector_exp(log_p[p]) - q);
    log_p[p] = vector_select(weight[p] != 0, slope, 0);
  }
}

/// Number of valid pixels of a class in a run.
OSTEON_MULTIVERSION std::uint32_t count_bits(const std::uint32_t* plane, unsigned bit, const std::uint8_t* valid,
                                             std::int64_t count) {
  std::uint32_t sum = 0;
  for (std::int64_t p = 0; p < count; ++p) sum += (plane[p] >> bit) & static_cast<std::uint32_t>(valid[p] != 0);
  return sum;
}

class CrossEntropy {
 public:
  using Params = osteon::losses::CrossEntropyParams;
  static constexpr std::uint32_t kUnderstands = osteon::losses::kCrossEntropyUnderstands;

  CrossEntropy(const Params& params, const LossRequest& request) : smoothing_(params.label_smoothing) {
    if (!request.multiclass)
      throw Unsupported(
          "cross_entropy needs exactly one class per pixel, but this data is multilabel; use bce or dice");
    weight_ = class_weights(params.class_weight, request.n_classes);
    const double spread = smoothing_ / static_cast<double>(request.n_classes);
    for (const double w : weight_) {
      off_.push_back(static_cast<float>(w * spread));
      on_.push_back(static_cast<float>(w * (1 - smoothing_ + spread)));
    }
  }

  double evaluate(const Call& call, const LossInput& in) const {
    const bool plain = in.is_plain() && !in.has_class_valid();
    const double total = plain ? target_weight(call, in) : target_weight_of_shares(call, in);
    if (total <= 0) {  // only classes of weight 0 are there
      in.store_zero_gradient();
      return 0;
    }
    const std::int64_t k = in.k();
    // 64 KB of logits at once, whatever the number of classes.
    const std::int64_t length = std::clamp<std::int64_t>(16384 / k / 64 * 64, 64, LossInput::kMaxRun);
    const std::int64_t runs = (in.pixels() + length - 1) / length, room = (k + 3) * length;
    float* memory = call.scratch<float>(static_cast<std::size_t>(call.threads() * room));
    const double sum = parallel_sum(call, in.n() * runs, [&](std::int64_t item, int thread) {
      const std::int64_t i = item / runs, first = item % runs * length, count = std::min(length, in.pixels() - first);
      float* own = memory + thread * room;
      return plain ? run_value(in, i, first, count, 1.0 / total, own)
                   : run_value_of_shares(in, i, first, count, 1.0 / total, own);
    });
    return sum / total;
  }

 private:
  static unsigned bit_of(std::int64_t c) { return static_cast<unsigned>(c % 32); }

  /// One run of an image over all classes; `memory` holds (k + 3) * count floats.
  double run_value(const LossInput& in, std::int64_t i, std::int64_t first, std::int64_t count, double mean,
                   float* memory) const {
    const std::int64_t k = in.k();
    float* rest = memory + k * count;
    for (std::int64_t c = 0; c < k; ++c) {
      const float* logits = in.logits(i, c, first, count, rest);
      std::copy_n(logits, count, memory + c * count);
    }
    log_softmax(memory, k, count, rest);

    float* weight = rest;
    std::uint32_t hits[LossInput::kMaxRun];
    std::fill_n(weight, count, 0.0f);
    std::fill_n(hits, count, 0u);
    double sum = 0;
    for (std::int64_t c = 0; c < k; ++c)
      sum += class_value(memory + c * count, in.plane(i, c, first), bit_of(c), in.valid(i, first), count, off(c), on(c),
                         weight, hits);
    for (std::int64_t p = 0; p < count; ++p)
      if (hits[p] != 1 && in.valid(i, first)[p] != 0)
        throw InvalidArgument(pixel_text(in, i, first + p) + " has " + std::to_string(hits[p]) +
                              " classes; cross entropy needs exactly one in every valid pixel");
    if (in.wants_gradient()) {
      const auto scale = static_cast<float>(in.grad_scale() * mean * in.sample_weight(i));
      for (std::int64_t c = 0; c < k; ++c) {
        class_gradient(memory + c * count, in.plane(i, c, first), bit_of(c), in.valid(i, first), count, off(c), on(c),
                       weight, scale);
        in.store_gradient(i, c, first, count, memory + c * count);
      }
    }
    return in.sample_weight(i) * sum;
  }

  /// The same with weights of pixels, targets between 0 and 1 or unknown classes.
  double run_value_of_shares(const LossInput& in, std::int64_t i, std::int64_t first, std::int64_t count, double mean,
                             float* memory) const {
    const Known known(in, i, first, count);
    float* mass = memory + in.k() * count;
    float* row = memory;
    for (const std::int64_t c : known.classes) {
      std::copy_n(in.logits(i, c, first, count, mass), count, row);
      row += count;
    }
    const auto classes = static_cast<std::int64_t>(known.classes.size());
    if (classes > 0) log_softmax(memory, classes, count, mass);

    alignas(64) float of_target[LossInput::kMaxRun];
    const auto factor = [&](std::int64_t c, double q) { return static_cast<float>(class_weight(c) * q); };
    const double spread = smoothing_ / static_cast<double>(std::max<std::int64_t>(1, classes));
    std::fill_n(mass, count, 0.0f);
    double sum = 0;
    for (std::int64_t j = 0; j < classes; ++j) {
      const std::int64_t c = known.classes[static_cast<std::size_t>(j)];
      sum += class_value_of_shares(memory + j * count, in.targets(i, c, first, count, of_target), known.weight,
                                   known.share, count, factor(c, spread), factor(c, 1 - smoothing_), mass);
    }
    if (in.wants_gradient()) {
      const auto scale = static_cast<float>(in.grad_scale() * mean * in.sample_weight(i));
      for (std::int64_t j = 0; j < classes; ++j) {
        const std::int64_t c = known.classes[static_cast<std::size_t>(j)];
        class_gradient_of_shares(memory + j * count, in.targets(i, c, first, count, of_target), known.weight,
                                 known.share, count, factor(c, spread), factor(c, 1 - smoothing_), mass, scale);
        in.store_gradient(i, c, first, count, memory + j * count);
      }
      for (std::int64_t c = 0; c < in.k(); ++c)
        if (!in.class_valid(i, c)) in.store_zero_gradient(i, c, first, count);
    }
    return in.sample_weight(i) * sum;
  }

  /// What is known of a run: classes, what each pixel is of them together (S), and what it counts: nothing where that
  /// is nothing. Throws for a pixel whose targets do not add up.
  struct Known {
    Known(const LossInput& in, std::int64_t i, std::int64_t first, std::int64_t count) {
      for (std::int64_t c = 0; c < in.k(); ++c)
        if (in.class_valid(i, c)) classes.push_back(c);
      in.weights(i, first, count, weight);
      std::fill_n(share, count, 0.0f);
      alignas(64) float buffer[LossInput::kMaxRun];
      for (const std::int64_t c : classes) {
        const float* target = in.targets(i, c, first, count, buffer);
        for (std::int64_t p = 0; p < count; ++p) share[p] += target[p];
      }
      const bool complete = static_cast<std::int64_t>(classes.size()) == in.k();
      for (std::int64_t p = 0; p < count; ++p) {
        constexpr float kRounding = 1e-3f;
        const bool fits = share[p] <= 1 + kRounding && (!complete || share[p] >= 1 - kRounding);
        if (weight[p] != 0 && !fits)
          throw InvalidArgument(pixel_text(in, i, first + p) + " has targets that add up to " +
                                std::to_string(share[p]) + "; cross entropy needs them to add up to 1" +
                                (complete ? "" : ", or less where a class is unknown"));
        if (!(share[p] > 0)) weight[p] = 0;
      }
    }

    std::vector<std::int64_t> classes;
    alignas(64) float share[LossInput::kMaxRun];
    alignas(64) float weight[LossInput::kMaxRun];
  };

  static std::string pixel_text(const LossInput& in, std::int64_t i, std::int64_t p) {
    return "pixel (x " + std::to_string(p % in.w()) + ", y " + std::to_string(p / in.w()) + ") of image " +
           std::to_string(i) + " of the batch";
  }

  /// The divisor: sum of the class weights of all valid pixels.
  double target_weight(const Call& call, const LossInput& in) const {
    const std::int64_t k = in.k();
    return parallel_sum(call, in.n() * in.runs(), [&](std::int64_t item, int) {
      const std::int64_t i = item / in.runs(), run = item % in.runs(), first = run * LossInput::kMaxRun;
      double sum = 0;
      for (std::int64_t c = 0; c < k; ++c)
        sum += class_weight(c) * count_bits(in.plane(i, c, first), bit_of(c), in.valid(i, first), in.run_length(run));
      return sum;
    });
  }

  /// The same with weights of pixels, targets between 0 and 1 or unknown classes.
  double target_weight_of_shares(const Call& call, const LossInput& in) const {
    return parallel_sum(call, in.n() * in.runs(), [&](std::int64_t item, int) {
      const std::int64_t i = item / in.runs(), run = item % in.runs(), first = run * LossInput::kMaxRun;
      const std::int64_t count = in.run_length(run);
      alignas(64) float weight[LossInput::kMaxRun];
      alignas(64) float target[LossInput::kMaxRun];
      in.weights(i, first, count, weight);
      double sum = 0;
      for (std::int64_t c = 0; c < in.k(); ++c) {
        if (!in.class_valid(i, c)) continue;
        const SoftRun pixels{in.targets(i, c, first, count, target), weight};
        for (std::int64_t p = 0; p < count; ++p) target[p] = pixels.weigh(p, pixels.target[p]);
        sum += class_weight(c) * vector_sum(target, count);
      }
      return sum;
    });
  }

  double class_weight(std::int64_t c) const { return weight_[static_cast<std::size_t>(c)]; }
  float off(std::int64_t c) const { return off_[static_cast<std::size_t>(c)]; }
  float on(std::int64_t c) const { return on_[static_cast<std::size_t>(c)]; }

  double smoothing_;
  std::vector<double> weight_;
  std::vector<float> off_, on_;  ///< class_weight q, where the pixel is of another class and of this one
};

osteon_component component() {
  const About about = {"cross_entropy", "1.0.0",
                       "Softmax cross entropy from logits; data with exactly one class per pixel.",
                       "torch.nn.CrossEntropyLoss"};
#if defined(OSTEON_TORCH_CUDA)
  return loss<CrossEntropy, osteon::losses::CrossEntropyExpression>(about);
#else
  return loss<CrossEntropy>(about);
#endif
}

}  // namespace

OSTEON_PLUGIN("cross_entropy", "1.0.0", component())
