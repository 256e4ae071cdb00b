// SPDX-License-Identifier: Apache-2.0

/// Soft Dice over whole images, from logits; multilabel data (sigmoid) and multiclass data (softmax):
///
///     D = 1 - (2 I + smooth) / (P + T + smooth),   I = sum p t,  P = sum p (or p^2),  T = sum t   over valid pixels
///
/// `per_image = true`: a D for each image and class; the value is their mean, each weighted by the sample weight of its
/// image (not divided out again). `per_image = false`: sums run over the batch, weighted by sample weights, with one D
/// for each class. Images without a valid pixel do not count. D is 0 where smooth, P and T are all 0. Milletari et al.,
/// "V-Net", 3DV 2016 (arXiv:1606.04797), which squares the denominator: `squared = true`.
///
///     [[loss]]
///     plugin = "dice"
///     weight = 0.5
///     smooth = 1.0             # added above and below: 1 as in the seed; keeps absent classes finite
///     squared = false          # P = sum p^2
///     per_image = true         # false: one Dice per class over the whole batch
///     ignore_empty = false     # leave out a Dice whose class has no valid target pixel; the mean is over the rest
///
/// Two passes over the logits: sums, then the gradient dD/dp = (2 I + smooth) dP/dp / Q^2 - 2 t / Q with Q = P + T +
/// smooth. Multilabel data is worked through in groups of classes that stay in the cache between the passes.
#include <numeric>

#include <osteon/sdk/loss.hpp>
#include <osteon/sdk/parallel.hpp>
#include <osteon/sdk/vector_math.hpp>

#include "dice_params.hpp"
#if defined(OSTEON_TORCH_CUDA)
#include "dice_expression.hpp"
#endif

namespace {

using namespace osteon::sdk;

constexpr std::int64_t kMaxRun = LossInput::kMaxRun;

/// What a run, an image or a batch adds up to for one class.
struct Sums {
  double overlap = 0;      ///< I
  double probability = 0;  ///< P
  double target = 0;       ///< T
  void add(const Sums& other, double weight) {
    overlap += weight * other.overlap;
    probability += weight * other.probability;
    target += weight * other.target;
  }
};

/// d value / dp = by_target t + by_probability (p if squared, else 1); of one class of one image, grad_scale contained.
struct Slopes {
  float by_target = 0;
  float by_probability = 0;
};

/// Sums of a run of probabilities, given as such or (`logits`) to be made of logits.
template <bool kLogits>
OSTEON_INLINE Sums sum_run(const float* in, const std::uint32_t* plane, unsigned bit, const std::uint8_t* valid,
                           std::int64_t count, bool squared) {
  alignas(64) float overlap[kMaxRun];
  alignas(64) float probability[kMaxRun];
  std::uint32_t target = 0;
  OSTEON_VECTOR_LOOP
  for (std::int64_t i = 0; i < count; ++i) {
    const float raw = kLogits ? vector_sigmoid(in[i]).p : in[i];
    const float p = vector_select(valid[i] != 0, raw, 0);
    const std::uint32_t t = (plane[i] >> bit) & static_cast<std::uint32_t>(valid[i] != 0);
    overlap[i] = vector_select(t != 0, p, 0);
    probability[i] = p * vector_select(squared, p, 1);
    target += t;
  }
  return {vector_sum(overlap, count), vector_sum(probability, count), static_cast<double>(target)};
}

OSTEON_MULTIVERSION void sigmoid_sums(const float* logits, const std::uint32_t* plane, unsigned bit,
                                      const std::uint8_t* valid, std::int64_t count, bool squared, Sums* out) {
  *out = sum_run<true>(logits, plane, bit, valid, count, squared);
}

OSTEON_MULTIVERSION void sigmoid_gradient(const float* logits, const std::uint32_t* plane, unsigned bit,
                                          const std::uint8_t* valid, std::int64_t count, bool squared, Slopes slopes,
                                          float* gradient) {
  const float by_target = slopes.by_target, by_probability = slopes.by_probability;
  OSTEON_VECTOR_LOOP
  for (std::int64_t i = 0; i < count; ++i) {
    const Sigmoid s = vector_sigmoid(logits[i]);
    const float slope =
        vector_select(((plane[i] >> bit) & 1u) != 0, by_target, 0) + by_probability * vector_select(squared, s.p, 1);
    gradient[i] = vector_select(valid[i] != 0, slope * s.p * s.q, 0);
  }
}

/// Softmax of `classes` rows in place; `scratch` holds 2 * count floats.
OSTEON_MULTIVERSION void softmax(float* rows, std::int64_t classes, std::int64_t count, float* scratch) {
  vector_log_softmax(rows, classes, count, count, scratch, scratch + count);
  OSTEON_VECTOR_LOOP
  for (std::int64_t i = 0; i < classes * count; ++i) rows[i] = vector_exp(rows[i]);
}

OSTEON_MULTIVERSION void softmax_sums(const float* p, const std::uint32_t* plane, unsigned bit,
                                      const std::uint8_t* valid, std::int64_t count, bool squared, Sums* out) {
  *out = sum_run<false>(p, plane, bit, valid, count, squared);
}

/// First half of the softmax's chain rule: row = d value / dp, mean += row * p.
OSTEON_MULTIVERSION void softmax_slope(const float* p, const std::uint32_t* plane, unsigned bit, std::int64_t count,
                                       bool squared, Slopes slopes, float* row, float* mean) {
  const float by_target = slopes.by_target, by_probability = slopes.by_probability;
  OSTEON_VECTOR_LOOP
  for (std::int64_t i = 0; i < count; ++i) {
    row[i] =
        vector_select(((plane[i] >> bit) & 1u) != 0, by_target, 0) + by_probability * vector_select(squared, p[i], 1);
    mean[i] += row[i] * p[i];
  }
}

/// Second half: row = p (row - mean), 0 where invalid.
OSTEON_MULTIVERSION void softmax_gradient(const float* p, const float* mean, const std::uint8_t* valid,
                                          std::int64_t count, float* row) {
  OSTEON_VECTOR_LOOP
  for (std::int64_t i = 0; i < count; ++i) row[i] = vector_select(valid[i] != 0, p[i] * (row[i] - mean[i]), 0);
}

class Dice {
 public:
  using Params = osteon::losses::DiceParams;

  Dice(const Params& params, const LossRequest& request) : params_(params), multiclass_(request.multiclass) {}

  double evaluate(const Call& call, const LossInput& in) const {
    const std::vector<bool> counted = counted_classes(call, in);
    return multiclass_ ? evaluate_softmax(call, in, counted) : evaluate_sigmoid(call, in, counted);
  }

 private:
  /// Pixels of a run that the softmax works on at once: 64 KB of probabilities, whatever the number of classes.
  static std::int64_t softmax_run(std::int64_t classes) {
    return std::clamp<std::int64_t>(16384 / classes / 64 * 64, 64, kMaxRun);
  }

  double evaluate_sigmoid(const Call& call, const LossInput& in, const std::vector<bool>& counted) const {
    // 8 MB of logits stay in the last-level cache until the second pass.
    const std::int64_t images = params_.per_image ? 1 : in.n();
    const std::int64_t width = std::clamp<std::int64_t>((std::int64_t{1} << 21) / (images * in.pixels()), 1, in.k());
    std::vector<Sums> runs;
    double value = 0;
    for (std::int64_t i0 = 0; i0 < in.n(); i0 += images)
      for (std::int64_t c0 = 0; c0 < in.k(); c0 += width) {
        const std::int64_t classes = std::min(width, in.k() - c0);
        const std::int64_t count = images * in.runs() * classes;
        // Item: run and image outside, class inside, so that a bit plane is read once for all classes of the group.
        const auto visit = [&](std::int64_t item, auto&& work) {
          const std::int64_t run = item / classes % in.runs();
          work(i0 + item / classes / in.runs(), c0 + item % classes, run * kMaxRun, in.run_length(run));
        };
        runs.assign(static_cast<std::size_t>(count), Sums());
        parallel_for(call, count, [&](std::int64_t item, int) {
          visit(item, [&](std::int64_t i, std::int64_t c, std::int64_t first, std::int64_t length) {
            alignas(64) float widened[kMaxRun];
            sigmoid_sums(in.logits(i, c, first, length, widened), in.plane(i, c, first), bit_of(c), in.valid(i, first),
                         length, params_.squared, &runs[static_cast<std::size_t>(item)]);
          });
        });

        std::vector<Sums> sums(static_cast<std::size_t>(images * classes));
        for (std::int64_t item = 0; item < count; ++item)
          sums[static_cast<std::size_t>(item / classes / in.runs() * classes + item % classes)].add(
              runs[static_cast<std::size_t>(item)], 1);
        std::vector<Slopes> slopes(sums.size());
        value += reduce(in, i0, images, c0, classes, sums, counted, slopes);

        if (!in.wants_gradient()) continue;
        parallel_for(call, count, [&](std::int64_t item, int) {
          visit(item, [&](std::int64_t i, std::int64_t c, std::int64_t first, std::int64_t length) {
            alignas(64) float widened[kMaxRun];
            alignas(64) float gradient[kMaxRun];
            sigmoid_gradient(in.logits(i, c, first, length, widened), in.plane(i, c, first), bit_of(c),
                             in.valid(i, first), length, params_.squared,
                             slopes[static_cast<std::size_t>((i - i0) * classes + c - c0)], gradient);
            in.store_gradient(i, c, first, length, gradient);
          });
        });
      }
    return value;
  }

  double evaluate_softmax(const Call& call, const LossInput& in, const std::vector<bool>& counted) const {
    const std::int64_t k = in.k(), length = softmax_run(k), runs = (in.pixels() + length - 1) / length;
    // Per thread: probabilities, their gradients, and three rows.
    const std::int64_t room = (2 * k + 3) * length;
    float* memory = call.scratch<float>(static_cast<std::size_t>(call.threads() * room));
    const auto probabilities = [&](std::int64_t item, int thread, auto&& work) {
      const std::int64_t i = item / runs, first = item % runs * length, count = std::min(length, in.pixels() - first);
      float* p = memory + thread * room;
      float* rest = p + k * length;
      for (std::int64_t c = 0; c < k; ++c) {
        const float* logits = in.logits(i, c, first, count, rest);
        std::copy_n(logits, count, p + c * count);
      }
      softmax(p, k, count, rest);
      work(i, first, count, p, rest);
    };

    std::vector<Sums> parts(static_cast<std::size_t>(in.n() * runs * k));
    parallel_for(call, in.n() * runs, [&](std::int64_t item, int thread) {
      probabilities(item, thread, [&](std::int64_t i, std::int64_t first, std::int64_t count, float* p, float*) {
        for (std::int64_t c = 0; c < k; ++c)
          softmax_sums(p + c * count, in.plane(i, c, first), bit_of(c), in.valid(i, first), count, params_.squared,
                       &parts[static_cast<std::size_t>(item * k + c)]);
      });
    });
    std::vector<Sums> sums(static_cast<std::size_t>(in.n() * k));
    for (std::size_t part = 0; part < parts.size(); ++part)
      sums[part / static_cast<std::size_t>(runs * k) * static_cast<std::size_t>(k) + part % static_cast<std::size_t>(k)]
          .add(parts[part], 1);
    std::vector<Slopes> slopes(sums.size());
    double value = 0;
    const std::int64_t images = params_.per_image ? 1 : in.n();
    for (std::int64_t i = 0; i < in.n(); i += images) {
      const std::size_t at = static_cast<std::size_t>(i * k), size = static_cast<std::size_t>(images * k);
      std::vector<Slopes> of_group(size);
      value += reduce(
          in, i, images, 0, k,
          {sums.begin() + static_cast<std::ptrdiff_t>(at), sums.begin() + static_cast<std::ptrdiff_t>(at + size)},
          counted, of_group);
      std::copy(of_group.begin(), of_group.end(), slopes.begin() + static_cast<std::ptrdiff_t>(at));
    }

    if (!in.wants_gradient()) return value;
    parallel_for(call, in.n() * runs, [&](std::int64_t item, int thread) {
      probabilities(item, thread, [&](std::int64_t i, std::int64_t first, std::int64_t count, float* p, float* rows) {
        float* mean = rows + k * count;
        std::fill_n(mean, count, 0.0f);
        for (std::int64_t c = 0; c < k; ++c)
          softmax_slope(p + c * count, in.plane(i, c, first), bit_of(c), count, params_.squared,
                        slopes[static_cast<std::size_t>(i * k + c)], rows + c * count, mean);
        for (std::int64_t c = 0; c < k; ++c) {
          softmax_gradient(p + c * count, mean, in.valid(i, first), count, rows + c * count);
          in.store_gradient(i, c, first, count, rows + c * count);
        }
      });
    });
    return value;
  }

  static unsigned bit_of(std::int64_t c) { return static_cast<unsigned>(c % 32); }

  /// From the sums [images, classes] of a group to its share of the value, and the slopes of each image and class. The
  /// group is one image, or the batch.
  double reduce(const LossInput& in, std::int64_t i0, std::int64_t images, std::int64_t c0, std::int64_t classes,
                const std::vector<Sums>& sums, const std::vector<bool>& counted, std::vector<Slopes>& slopes) const {
    const double share = 1.0 / static_cast<double>(std::count(counted.begin(), counted.end(), true));
    double value = 0;
    for (std::int64_t c = 0; c < classes; ++c) {
      if (!counted[static_cast<std::size_t>((params_.per_image ? i0 * in.k() : 0) + c0 + c)]) continue;
      Sums total;
      for (std::int64_t i = 0; i < images; ++i)
        total.add(sums[static_cast<std::size_t>(i * classes + c)], params_.per_image ? 1 : in.sample_weight(i0 + i));
      const double above = 2 * total.overlap + params_.smooth;
      const double below = total.probability + total.target + params_.smooth;
      if (below <= 0) continue;
      const double weight = share * (params_.per_image ? in.sample_weight(i0) : 1.0);
      value += weight * (1 - above / below);
      for (std::int64_t i = 0; i < images; ++i) {
        const double scale = in.grad_scale() * weight * (params_.per_image ? 1.0 : in.sample_weight(i0 + i));
        slopes[static_cast<std::size_t>(i * classes + c)] = {
            static_cast<float>(-2 * scale / below),
            static_cast<float>(scale * above / (below * below) * (params_.squared ? 2 : 1))};
      }
    }
    return value;
  }

  /// Which Dice values enter the mean: [n, k] when per image, else [k].
  std::vector<bool> counted_classes(const Call& call, const LossInput& in) const {
    const std::int64_t groups = params_.per_image ? in.n() : 1, images = params_.per_image ? 1 : in.n();
    std::vector<bool> counted(static_cast<std::size_t>(groups * in.k()), !params_.ignore_empty);
    if (params_.ignore_empty) {
      // One byte each: neighbouring bits of a vector<bool> must not be written by two threads.
      std::vector<std::uint8_t> present(counted.size(), 0);
      parallel_for(call, groups * in.k(), [&](std::int64_t item, int) {
        const std::int64_t c = item % in.k();
        for (std::int64_t i = item / in.k() * images; i < item / in.k() * images + images; ++i)
          if (has_target(in, i, c)) present[static_cast<std::size_t>(item)] = 1;
      });
      std::copy(present.begin(), present.end(), counted.begin());
    }
    if (params_.per_image)
      for (std::int64_t i = 0; i < in.n(); ++i)
        if (in.valid_pixels(i) == 0) std::fill_n(counted.begin() + i * in.k(), in.k(), false);
    return counted;
  }

  static bool has_target(const LossInput& in, std::int64_t i, std::int64_t c) {
    for (std::int64_t run = 0; run < in.runs(); ++run) {
      const std::uint32_t* plane = in.plane(i, c, run * kMaxRun);
      const std::uint8_t* valid = in.valid(i, run * kMaxRun);
      std::uint32_t any = 0;
      for (std::int64_t p = 0; p < in.run_length(run); ++p) any |= valid[p] != 0 ? plane[p] >> bit_of(c) & 1u : 0u;
      if (any != 0) return true;
    }
    return false;
  }

  Params params_;
  bool multiclass_;
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
