// SPDX-License-Identifier: Apache-2.0
#include "overlap/overlap.hpp"

#include <algorithm>
#include <utility>

#include <osteon/sdk/parallel.hpp>

namespace osteon::losses {

using namespace osteon::sdk;

namespace {

constexpr std::int64_t kMaxRun = LossInput::kMaxRun;
constexpr std::int64_t kCached = std::int64_t{1} << 21;  ///< numbers that a group of classes has, 8 MB

/// Pixels of a run that the softmax works on at once: 64 KB of probabilities, whatever the number of classes.
std::int64_t softmax_run(std::int64_t classes) {
  return std::clamp<std::int64_t>(16384 / classes / 64 * 64, 64, kMaxRun);
}

/// The classes of each image that are known in it.
std::vector<std::vector<std::int64_t>> known_classes(const LossInput& in) {
  std::vector<std::vector<std::int64_t>> known(static_cast<std::size_t>(in.n()));
  for (std::int64_t i = 0; i < in.n(); ++i)
    for (std::int64_t c = 0; c < in.k(); ++c)
      if (in.class_valid(i, c)) known[static_cast<std::size_t>(i)].push_back(c);
  return known;
}

}  // namespace

Overlap::Overlap(const OverlapParams& params, bool squared, const LossRequest& request, Formula formula)
    : mean_{params.per_image, params.ignore_empty, class_weights(params.class_weight, request.n_classes)},
      squared_(squared),
      multiclass_(request.multiclass),
      formula_(std::move(formula)) {}

double Overlap::evaluate(const Call& call, const LossInput& in) const {
  const std::vector<double> shares = mean_.shares(call, in);
  if (shares.empty()) {
    in.store_zero_gradient();
    return 0;
  }
  return multiclass_ ? evaluate_softmax(call, in, shares) : evaluate_sigmoid(call, in, shares);
}

double Overlap::evaluate_sigmoid(const Call& call, const LossInput& in, const std::vector<double>& shares) const {
  // 8 MB of logits stay in the last-level cache until the second pass.
  const std::int64_t images = mean_.per_image ? 1 : in.n();
  const std::int64_t width = std::clamp<std::int64_t>(kCached / (images * in.pixels()), 1, in.k());
  // The derivatives of the sigmoid stay there too, where they fit.
  const std::int64_t group = images * width * in.pixels();
  float* kept = in.wants_gradient() && !squared_ && group <= kCached
                    ? call.scratch<float>(static_cast<std::size_t>(group))
                    : nullptr;
  std::vector<OverlapSums> runs;
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
      const auto place = [&](std::int64_t i, std::int64_t c, std::int64_t first) {
        return kept + ((i - i0) * classes + c - c0) * in.pixels() + first;
      };
      runs.assign(static_cast<std::size_t>(count), OverlapSums());
      parallel_for(call, count, [&](std::int64_t item, int) {
        visit(item, [&](std::int64_t i, std::int64_t c, std::int64_t first, std::int64_t length) {
          if (!in.class_valid(i, c)) return;
          alignas(64) float widened[kMaxRun];
          const float* logits = in.logits(i, c, first, length, widened);
          runs[static_cast<std::size_t>(item)] = in.with_run(i, c, first, length, [&](auto pixels) {
            return kept != nullptr ? sigmoid_sums(logits, pixels, length, place(i, c, first))
                                   : sigmoid_sums(logits, pixels, length, squared_);
          });
        });
      });

      std::vector<OverlapSums> sums(static_cast<std::size_t>(images * classes));
      for (std::int64_t item = 0; item < count; ++item)
        sums[static_cast<std::size_t>(item / classes / in.runs() * classes + item % classes)].add(
            runs[static_cast<std::size_t>(item)], 1);
      std::vector<OverlapSlopes> slopes(sums.size());
      value += reduce(in, i0, images, c0, classes, sums.data(), shares, slopes.data());

      if (!in.wants_gradient()) continue;
      parallel_for(call, count, [&](std::int64_t item, int) {
        visit(item, [&](std::int64_t i, std::int64_t c, std::int64_t first, std::int64_t length) {
          if (!in.class_valid(i, c)) return in.store_zero_gradient(i, c, first, length);
          alignas(64) float widened[kMaxRun];
          alignas(64) float gradient[kMaxRun];
          const OverlapSlopes& slope = slopes[static_cast<std::size_t>((i - i0) * classes + c - c0)];
          in.with_run(i, c, first, length, [&](auto pixels) {
            if (kept != nullptr)
              kept_gradient(place(i, c, first), pixels, length, slope, gradient);
            else
              sigmoid_gradient(in.logits(i, c, first, length, widened), pixels, length, squared_, slope, gradient);
          });
          in.store_gradient(i, c, first, length, gradient);
        });
      });
    }
  return value;
}

double Overlap::evaluate_softmax(const Call& call, const LossInput& in, const std::vector<double>& shares) const {
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

  std::vector<OverlapSums> parts(static_cast<std::size_t>(in.n() * runs * k));
  parallel_for(call, in.n() * runs, [&](std::int64_t item, int thread) {
    probabilities(item, thread, [&](std::int64_t i, std::int64_t first, std::int64_t count, const float* p, float*) {
      for (const std::int64_t c : known[static_cast<std::size_t>(i)]) {
        parts[static_cast<std::size_t>(item * k + c)] =
            in.with_run(i, c, first, count, [&](auto pixels) { return softmax_sums(p, pixels, count, squared_); });
        p += count;
      }
    });
  });
  std::vector<OverlapSums> sums(static_cast<std::size_t>(in.n() * k));
  for (std::size_t part = 0; part < parts.size(); ++part)
    sums[part / static_cast<std::size_t>(runs * k) * static_cast<std::size_t>(k) + part % static_cast<std::size_t>(k)]
        .add(parts[part], 1);
  std::vector<OverlapSlopes> slopes(sums.size());
  double value = 0;
  const std::int64_t images = mean_.per_image ? 1 : in.n();
  for (std::int64_t i = 0; i < in.n(); i += images) {
    const auto at = static_cast<std::size_t>(i * k);
    value += reduce(in, i, images, 0, k, sums.data() + at, shares, slopes.data() + at);
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
          softmax_slope(p + at, pixels, count, squared_, slopes[static_cast<std::size_t>(i * k + classes[j])],
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

/// From the sums [images, classes] of a group to its share of the value, and the slopes of each image and class. The
/// group is one image, or the batch.
double Overlap::reduce(const LossInput& in, std::int64_t i0, std::int64_t images, std::int64_t c0, std::int64_t classes,
                       const OverlapSums* sums, const std::vector<double>& shares, OverlapSlopes* slopes) const {
  const auto weight_of = [&](std::int64_t i) { return mean_.per_image ? 1.0 : in.sample_weight(i0 + i); };
  double value = 0;
  for (std::int64_t c = 0; c < classes; ++c) {
    const double share = shares[static_cast<std::size_t>((mean_.per_image ? i0 * in.k() : 0) + c0 + c)];
    if (share == 0) continue;
    OverlapSums total;
    for (std::int64_t i = 0; i < images; ++i) total.add(sums[i * classes + c], weight_of(i));
    const OverlapTerm term = formula_(total);
    const double weight = share * (mean_.per_image ? in.sample_weight(i0) : 1.0);
    value += weight * term.value;
    for (std::int64_t i = 0; i < images; ++i) {
      const double scale = in.grad_scale() * weight * weight_of(i);
      slopes[i * classes + c] = {static_cast<float>(scale * term.by_overlap),
                                 static_cast<float>(scale * term.by_probability * (squared_ ? 2 : 1))};
    }
  }
  return value;
}

}  // namespace osteon::losses
