// SPDX-License-Identifier: Apache-2.0

/// Soft Dice over whole images, from logits; multilabel data (sigmoid) and multiclass data (softmax):
///
///     D = 1 - (2 I + smooth) / (P + T + smooth),   I = sum w p t,  P = sum w p,  T = sum w t   over valid pixels
///
/// `per_image = true`: a D for each image and class; the value is their mean, each weighted by the sample weight of its
/// image (not divided out again). `per_image = false`: sums run over the batch, weighted by sample weights, with one D
/// for each class. Images without a valid pixel do not count. D is 0 where smooth, P and T are all 0. Milletari et al.,
/// "V-Net", 3DV 2016 (arXiv:1606.04797), which squares the denominator: `squared = true`, P = sum w p^2, T = sum w t^2.
///
/// w is the weight of a pixel: 1, unless the data says so; a pixel of weight 0 is one that is not valid. `smooth` stays
/// what it is, so it counts for more beside small weights. The D of a class that is unknown in an image does not count,
/// and is left out of the number that the mean divides by; over the batch, the image adds nothing to the sums of the
/// class. The softmax of multiclass data runs over the classes that are known in the image. A target t is a bit, or
/// lies between 0 and 1.
///
///     [[loss]]
///     plugin = "dice"
///     weight = 0.5
///     smooth = 1.0             # added above and below: 1 as in the seed; keeps absent classes finite
///     squared = false          # squares in P and T
///     per_image = true         # false: one Dice per class over the whole batch
///     ignore_empty = false     # leave out a Dice whose class has no valid target pixel; the mean is over the rest
///
/// Two passes over the logits: sums, then the gradient dD/dp = (2 I + smooth) dP/dp / Q^2 - 2 t / Q with Q = P + T +
/// smooth. Multilabel data is worked through in groups of classes that stay in the cache between the passes.
#include <numeric>

#include <osteon/sdk/loss.hpp>
#include <osteon/sdk/parallel.hpp>

#include "dice_loops.hpp"
#include "dice_params.hpp"
#if defined(OSTEON_TORCH_CUDA)
#include "dice_expression.hpp"
#endif

namespace {

using namespace osteon::sdk;
using namespace osteon::losses;

constexpr std::int64_t kMaxRun = LossInput::kMaxRun;

class Dice {
 public:
  using Params = DiceParams;
  static constexpr std::uint32_t kUnderstands = kDiceUnderstands;

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
    std::vector<DiceSums> runs;
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
        runs.assign(static_cast<std::size_t>(count), DiceSums());
        parallel_for(call, count, [&](std::int64_t item, int) {
          visit(item, [&](std::int64_t i, std::int64_t c, std::int64_t first, std::int64_t length) {
            if (!in.class_valid(i, c)) return;
            alignas(64) float widened[kMaxRun];
            const float* logits = in.logits(i, c, first, length, widened);
            runs[static_cast<std::size_t>(item)] = in.with_run(i, c, first, length, [&](auto pixels) {
              return sigmoid_sums(logits, pixels, length, params_.squared);
            });
          });
        });

        std::vector<DiceSums> sums(static_cast<std::size_t>(images * classes));
        for (std::int64_t item = 0; item < count; ++item)
          sums[static_cast<std::size_t>(item / classes / in.runs() * classes + item % classes)].add(
              runs[static_cast<std::size_t>(item)], 1);
        std::vector<DiceSlopes> slopes(sums.size());
        value += reduce(in, i0, images, c0, classes, sums, counted, slopes);

        if (!in.wants_gradient()) continue;
        parallel_for(call, count, [&](std::int64_t item, int) {
          visit(item, [&](std::int64_t i, std::int64_t c, std::int64_t first, std::int64_t length) {
            if (!in.class_valid(i, c)) return in.store_zero_gradient(i, c, first, length);
            alignas(64) float widened[kMaxRun];
            alignas(64) float gradient[kMaxRun];
            const float* logits = in.logits(i, c, first, length, widened);
            in.with_run(i, c, first, length, [&](auto pixels) {
              sigmoid_gradient(logits, pixels, length, params_.squared,
                               slopes[static_cast<std::size_t>((i - i0) * classes + c - c0)], gradient);
            });
            in.store_gradient(i, c, first, length, gradient);
          });
        });
      }
    return value;
  }

  double evaluate_softmax(const Call& call, const LossInput& in, const std::vector<bool>& counted) const {
    const std::int64_t k = in.k(), length = softmax_run(k), runs = (in.pixels() + length - 1) / length;
    // Per thread: probabilities of the known classes, their gradients, and three rows.
    const std::int64_t room = (2 * k + 3) * length;
    float* memory = call.scratch<float>(static_cast<std::size_t>(call.threads() * room));
    const std::vector<std::vector<std::int64_t>> known = known_classes(in);
    const auto probabilities = [&](std::int64_t item, int thread, auto&& work) {
      const std::int64_t i = item / runs, first = item % runs * length, count = std::min(length, in.pixels() - first);
      const std::vector<std::int64_t>& classes = known[static_cast<std::size_t>(i)];
      float* p = memory + thread * room;
      float* rest = p + k * length;
      float* row = p;
      for (const std::int64_t c : classes) {
        std::copy_n(in.logits(i, c, first, count, rest), count, row);
        row += count;
      }
      if (!classes.empty()) softmax(p, static_cast<std::int64_t>(classes.size()), count, rest);
      work(i, first, count, p, rest);
    };

    std::vector<DiceSums> parts(static_cast<std::size_t>(in.n() * runs * k));
    parallel_for(call, in.n() * runs, [&](std::int64_t item, int thread) {
      probabilities(item, thread, [&](std::int64_t i, std::int64_t first, std::int64_t count, const float* p, float*) {
        for (const std::int64_t c : known[static_cast<std::size_t>(i)]) {
          parts[static_cast<std::size_t>(item * k + c)] = in.with_run(
              i, c, first, count, [&](auto pixels) { return softmax_sums(p, pixels, count, params_.squared); });
          p += count;
        }
      });
    });
    std::vector<DiceSums> sums(static_cast<std::size_t>(in.n() * k));
    for (std::size_t part = 0; part < parts.size(); ++part)
      sums[part / static_cast<std::size_t>(runs * k) * static_cast<std::size_t>(k) + part % static_cast<std::size_t>(k)]
          .add(parts[part], 1);
    std::vector<DiceSlopes> slopes(sums.size());
    double value = 0;
    const std::int64_t images = params_.per_image ? 1 : in.n();
    for (std::int64_t i = 0; i < in.n(); i += images) {
      const std::size_t at = static_cast<std::size_t>(i * k), size = static_cast<std::size_t>(images * k);
      std::vector<DiceSlopes> of_group(size);
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
        const std::vector<std::int64_t>& classes = known[static_cast<std::size_t>(i)];
        for (std::size_t j = 0; j < classes.size(); ++j)
          in.with_run(i, classes[j], first, count, [&](auto pixels) {
            const std::size_t at = j * static_cast<std::size_t>(count);
            softmax_slope(p + at, pixels, count, params_.squared, slopes[static_cast<std::size_t>(i * k + classes[j])],
                          rows + at, mean);
          });
        for (std::size_t j = 0; j < classes.size(); ++j) {
          const std::size_t at = j * static_cast<std::size_t>(count);
          in.with_run(i, classes[j], first, count,
                      [&](auto pixels) { softmax_gradient(p + at, mean, pixels, count, rows + at); });
          in.store_gradient(i, classes[j], first, count, rows + at);
        }
        for (std::int64_t c = 0; c < k; ++c)
          if (!in.class_valid(i, c)) in.store_zero_gradient(i, c, first, count);
      });
    });
    return value;
  }

  /// The classes of each image that are known in it.
  static std::vector<std::vector<std::int64_t>> known_classes(const LossInput& in) {
    std::vector<std::vector<std::int64_t>> known(static_cast<std::size_t>(in.n()));
    for (std::int64_t i = 0; i < in.n(); ++i)
      for (std::int64_t c = 0; c < in.k(); ++c)
        if (in.class_valid(i, c)) known[static_cast<std::size_t>(i)].push_back(c);
    return known;
  }

  /// From the sums [images, classes] of a group to its share of the value, and the slopes of each image and class. The
  /// group is one image, or the batch.
  double reduce(const LossInput& in, std::int64_t i0, std::int64_t images, std::int64_t c0, std::int64_t classes,
                const std::vector<DiceSums>& sums, const std::vector<bool>& counted,
                std::vector<DiceSlopes>& slopes) const {
    const double share = 1.0 / static_cast<double>(std::count(counted.begin(), counted.end(), true));
    double value = 0;
    for (std::int64_t c = 0; c < classes; ++c) {
      if (!counted[static_cast<std::size_t>((params_.per_image ? i0 * in.k() : 0) + c0 + c)]) continue;
      DiceSums total;
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
    // One byte each: neighbouring bits of a vector<bool> must not be written by two threads.
    std::vector<std::uint8_t> counted(static_cast<std::size_t>(groups * in.k()), 0);
    const auto decide = [&](std::int64_t item, int) {
      const std::int64_t c = item % in.k(), first = item / in.k() * images;
      for (std::int64_t i = first; i < first + images; ++i)
        if (in.counts(i, c) && (!params_.ignore_empty || has_target(in, i, c)))
          counted[static_cast<std::size_t>(item)] = 1;
    };
    parallel_for(call, groups * in.k(), decide);
    return std::vector<bool>(counted.begin(), counted.end());
  }

  static bool has_target(const LossInput& in, std::int64_t i, std::int64_t c) {
    for (std::int64_t run = 0; run < in.runs(); ++run) {
      const std::int64_t count = in.run_length(run);
      if (in.with_run(i, c, run * kMaxRun, count, [&](auto pixels) { return any_target(pixels, count); })) return true;
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
