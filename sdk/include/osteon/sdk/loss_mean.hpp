// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include <osteon/sdk/loss_input.hpp>
#include <osteon/sdk/parallel.hpp>

/// What losses share that are a mean over classes, or over the pixels of every class: its weights, and the loop.
namespace osteon::sdk {

/// `values`, a parameter called `name`, or 1 for each of `n` classes where there are none.
inline std::vector<double> per_class(const std::vector<double>& values, std::int64_t n, const char* name) {
  const auto size = static_cast<std::size_t>(n);
  if (values.empty()) return std::vector<double>(size, 1.0);
  if (values.size() != size)
    throw InvalidArgument(std::string(name) + " has " + std::to_string(values.size()) + " elements, the data has " +
                          std::to_string(n) + " classes; give one each, or none");
  return values;
}

/// The same for a parameter `class_weight`, what each class counts in a mean: not all of them nothing.
inline std::vector<double> class_weights(const std::vector<double>& values, std::int64_t n) {
  const std::vector<double> weights = per_class(values, n, "class_weight");
  if (std::all_of(weights.begin(), weights.end(), [](double weight) { return weight == 0; }))
    throw InvalidArgument("class_weight: at least one class needs a weight above 0");
  return weights;
}

/// Weights of classes as shares of 1, and what a mean over the pixels of all classes is divided by.
class ClassShares {
 public:
  ClassShares() = default;
  ClassShares(const std::vector<double>& values, std::int64_t n) : share_(class_weights(values, n)) {
    double total = 0;
    for (const double weight : share_) total += weight;
    for (double& share : share_) share /= total;
  }

  double operator[](std::int64_t c) const { return share_[static_cast<std::size_t>(c)]; }

  /// What the pixels of all known classes count together, each class by its share. 0 where only classes of weight 0 are
  /// known.
  double weight_sum(const LossInput& in) const {
    if (!in.has_class_valid()) return in.weight_sum();
    double total = 0;
    for (std::int64_t i = 0; i < in.n(); ++i)
      for (std::int64_t c = 0; c < in.k(); ++c)
        if (in.class_valid(i, c)) total += in.weight_sum(i) * (*this)[c];
    return total;
  }

 private:
  std::vector<double> share_;
};

namespace detail {

/// Whether a pixel that counts is of the class, if only in part.
inline bool any_target(BitRun run, std::int64_t count) {
  std::uint32_t any = 0;
  for (std::int64_t p = 0; p < count; ++p) any |= run.valid[p] != 0 ? (run.plane[p] >> run.bit) & 1u : 0u;
  return any != 0;
}
inline bool any_target(SoftRun run, std::int64_t count) {
  bool any = false;
  for (std::int64_t p = 0; p < count; ++p) any = any || (run.weight[p] != 0 && run.target[p] > 0);
  return any;
}
inline bool has_target(const LossInput& in, std::int64_t i, std::int64_t c) {
  for (std::int64_t r = 0; r < in.runs(); ++r) {
    const std::int64_t count = in.run_length(r);
    if (in.with_run(i, c, r * LossInput::kMaxRun, count, [&](auto pixels) { return any_target(pixels, count); }))
      return true;
  }
  return false;
}

}  // namespace detail

/// Of what a loss is a mean whose unit is a class of an image, or of the batch, and not a pixel.
struct MeanOfClasses {
  bool per_image = true;             ///< false: one for each class over the batch
  bool ignore_empty = false;         ///< leaves out those whose class has no target pixel that counts
  std::vector<double> class_weight;  ///< one per class

  /// What each counts, as a share of 1: [n, k] when per image, else [k]. 0 where the class is unknown, or the image has
  /// no pixel that counts; empty where nothing counts.
  std::vector<double> shares(const Call& call, const LossInput& in) const {
    const std::int64_t groups = per_image ? in.n() : 1, images = per_image ? 1 : in.n();
    std::vector<double> shares(static_cast<std::size_t>(groups * in.k()), 0.0);
    parallel_for(call, groups * in.k(), [&](std::int64_t item, int) {
      const std::int64_t c = item % in.k(), first = item / in.k() * images;
      for (std::int64_t i = first; i < first + images; ++i)
        if (in.counts(i, c) && (!ignore_empty || detail::has_target(in, i, c)))
          shares[static_cast<std::size_t>(item)] = class_weight[static_cast<std::size_t>(c)];
    });
    double total = 0;
    for (const double weight : shares) total += weight;
    if (total <= 0) return {};
    for (double& share : shares) share /= total;
    return shares;
  }
};

/// A run of pixels of one class of one image.
struct ClassRun {
  std::int64_t image, c, first, count;
  const float* logits;
};

/// The sum of `body(run, pixels)` over the runs of all classes, on the threads of the call; `pixels` is what
/// LossInput::with_run gives. Classes that are unknown in an image get their gradient of 0, and no call.
template <class Body>
double sum_over_runs(const Call& call, const LossInput& in, Body&& body) {
  const std::int64_t k = in.k();
  // Classes of one run follow each other, so that its bit plane is read from the first-level cache.
  return parallel_sum(call, in.n() * in.runs() * k, [&](std::int64_t index, int) {
    const std::int64_t c = index % k, r = index / k % in.runs(), i = index / k / in.runs();
    const std::int64_t first = r * LossInput::kMaxRun, count = in.run_length(r);
    if (!in.class_valid(i, c)) {
      in.store_zero_gradient(i, c, first, count);
      return 0.0;
    }
    alignas(64) float widened[LossInput::kMaxRun];
    const ClassRun run{i, c, first, count, in.logits(i, c, first, count, widened)};
    return in.with_run(i, c, first, count, [&](auto pixels) { return body(run, pixels); });
  });
}

}  // namespace osteon::sdk
