// SPDX-License-Identifier: Apache-2.0

/// Lovász losses: the intersection over union itself, in the convex form that has a gradient, from logits. Berman et
/// al., "The Lovász-Softmax loss", CVPR 2018 (arXiv:1705.08790).
///
///     e_p = max(0, 1 - x_p s_p), s = 1 where the pixel is of the class, else -1     multilabel data, Lovász hinge
///     e_p = |t_p - softmax(x)_p|                                                    multiclass data, Lovász-Softmax
///     L   = sum over valid pixels p, from the greatest e down, of  e_p (J(p) - J(the pixel before))
///     J(p) = the Jaccard loss, 1 - intersection / union, were the pixels down to p wrong and all others right
///
/// `per_image = true`: an L for each image and class; the value is their mean, each weighted by the sample weight of
/// its image (not divided out again). `per_image = false`: one L for each class over the pixels of the batch, which
/// count what the sample weights say. The mean is weighted by class_weight, which is divided out. Images without a
/// valid pixel do not count. A class that is nowhere in an image has the greatest e for its L; `ignore_empty = true`
/// leaves it out, which the published Lovász-Softmax calls classes = "present".
///
/// Pixels count what their weights say in intersection and union; a pixel of weight 0 is one that is not valid. A class
/// that is unknown in an image does not count there, and takes no part in the softmax. Targets between 0 and 1 are
/// refused: a pixel is in a set or it is not.
///
///     [[loss]]
///     plugin = "lovasz"
///     weight = 0.5
///     per_image = true
///     ignore_empty = false
///     class_weight = []        # one per class, or none: 1 each
///
/// The work is to sort, of each class, the pixels with an error: of the hinge those that are not right by a margin. A
/// thread sorts one class at a time in 16 bytes a pixel of an image, or of the batch. The softmax's derivatives need
/// those of all classes at a pixel, which would be a float for each; every class is sorted twice instead.
#include <algorithm>
#include <functional>
#include <limits>

#include <osteon/sdk/loss.hpp>
#include <osteon/sdk/loss_mean.hpp>
#include <osteon/sdk/parallel.hpp>

#include "lovasz_extension.hpp"
#include "lovasz_loops.hpp"
#include "lovasz_params.hpp"
#if defined(OSTEON_TORCH_CUDA)
#include "lovasz_expression.hpp"
#endif

namespace {

using namespace osteon::sdk;
using namespace osteon::losses;

constexpr std::int64_t kMaxRun = LossInput::kMaxRun;

bool is_set(const BitRun& run, std::int64_t p) { return run.set(p); }
bool is_set(const SoftRun& run, std::int64_t p) { return run.target[p] != 0; }
bool counts(const BitRun& run, std::int64_t p) { return run.valid[p] != 0; }
bool counts(const SoftRun& run, std::int64_t p) { return run.weight[p] != 0; }

/// Images whose pixels are looked at together: one, or the batch. Its pixels are numbered one image after the other.
class Group {
 public:
  /// `room` holds a number for each pixel.
  Group(const Call& call, const LossInput& in, std::int64_t first, std::int64_t images, float* room)
      : call_(call), in_(in), first_(first), images_(images) {
    const bool samples = images > 1 && in.raw().sample_weight != nullptr;
    if (in.is_plain() && !samples) return;
    weight_ = room;
    for_runs([&](std::int64_t i, std::int64_t begin, std::int64_t count, std::int64_t at) {
      in_.weights(i, begin, count, weight_ + at);
      for (std::int64_t p = at; samples && p < at + count; ++p) weight_[p] *= in_.sample_weight(i);
    });
  }

  std::int64_t pixels() const { return images_ * in_.pixels(); }
  const LossInput& in() const { return in_; }
  std::int64_t first() const { return first_; }
  /// What each pixel counts; null: 1.
  const float* weight() const { return weight_; }

  /// `body(image, first pixel, count, number of that pixel in the group)` for every run, on the threads of the call.
  template <class Body>
  void for_runs(Body&& body) const {
    parallel_for(call_, images_ * in_.runs(), [&](std::int64_t item, int) { visit(item, body); });
  }
  /// The same one after another, of the images in which a class is known.
  template <class Body>
  void for_runs_of_class(std::int64_t c, Body&& body) const {
    for (std::int64_t item = 0; item < images_ * in_.runs(); ++item) {
      call_.stop_if_cancelled();
      if (in_.class_valid(first_ + item / in_.runs(), c)) visit(item, body);
    }
  }

 private:
  template <class Body>
  void visit(std::int64_t item, Body&& body) const {
    const std::int64_t image = item / in_.runs(), run = item % in_.runs(), begin = run * kMaxRun;
    body(first_ + image, begin, in_.run_length(run), image * in_.pixels() + begin);
  }

  const Call& call_;
  const LossInput& in_;
  std::int64_t first_, images_;
  float* weight_ = nullptr;
};

/// The softmax of a group, as lovasz_loops.hpp keeps it.
class Softmax {
 public:
  /// `room` holds two numbers for each pixel.
  Softmax(const Group& group, float* room) : top_(room), log_sum_(room + group.pixels()) {
    const LossInput& in = group.in();
    group.for_runs([&](std::int64_t i, std::int64_t first, std::int64_t count, std::int64_t at) {
      alignas(64) float widened[kMaxRun];
      std::fill_n(top_ + at, count, -std::numeric_limits<float>::max());
      std::fill_n(log_sum_ + at, count, 0.0f);
      const auto for_known = [&](const std::function<void(const float*)>& use) {
        for (std::int64_t c = 0; c < in.k(); ++c)
          if (in.class_valid(i, c)) use(in.logits(i, c, first, count, widened));
      };
      for_known([&](const float* x) { raise(x, count, top_ + at); });
      for_known([&](const float* x) { add_exponentials(x, top_ + at, count, log_sum_ + at); });
      take_logarithms(count, log_sum_ + at);
    });
  }

  /// Of class `c`, in `buffer`, for the pixels from number `at` of the group.
  const float* probabilities(const LossInput& in, std::int64_t i, std::int64_t c, std::int64_t first,
                             std::int64_t count, std::int64_t at, float* buffer) const {
    osteon::losses::probabilities(in.logits(i, c, first, count, buffer), top_ + at, log_sum_ + at, count, buffer);
    return buffer;
  }

 private:
  float* top_;
  float* log_sum_;
};

class Lovasz {
 public:
  using Params = LovaszParams;
  static constexpr std::uint32_t kUnderstands = kLovaszUnderstands;
  static constexpr const char* kInstead = kLovaszInstead;

  Lovasz(const Params& params, const LossRequest& request)
      : mean_{params.per_image, params.ignore_empty, class_weights(params.class_weight, request.n_classes)},
        multiclass_(request.multiclass) {}

  double evaluate(const Call& call, const LossInput& in) const {
    const std::vector<double> shares = mean_.shares(call, in);
    if (shares.empty()) {
      in.store_zero_gradient();
      return 0;
    }
    const std::int64_t images = mean_.per_image ? 1 : in.n(), pixels = images * in.pixels();
    const Room room{
        call.scratch<std::uint64_t>(static_cast<std::size_t>(call.threads() * ErrorList::words_for(pixels))),
        call.scratch<float>(static_cast<std::size_t>((multiclass_ ? 4 : 1) * pixels)), pixels};
    double value = 0;
    for (std::int64_t i = 0; i < in.n(); i += images) {
      const double* share = shares.data() + (mean_.per_image ? i * in.k() : 0);
      const Group group(call, in, i, images, room.plane(0));
      const double weight = mean_.per_image ? in.sample_weight(i) : 1.0;
      value += weight * (multiclass_ ? of_softmax(call, group, room, share, weight)
                                     : of_hinge(call, group, room, share, weight));
    }
    return value;
  }

 private:
  /// Memory for a group: lists of errors, one for each thread, and planes of numbers.
  struct Room {
    std::uint64_t* lists;
    float* planes;
    std::int64_t pixels;
    ErrorList list(std::int64_t slot) const { return {lists + slot * ErrorList::words_for(pixels), pixels}; }
    float* plane(std::int64_t number) const { return planes + number * pixels; }
  };

  static double of_hinge(const Call& call, const Group& group, const Room& room, const double* share, double weight) {
    const LossInput& in = group.in();
    return parallel_sum(call, in.k(), [&](std::int64_t c, int thread) {
      if (share[c] == 0) {
        store_zero_gradient(group, c);
        return 0.0;
      }
      ErrorList errors = room.list(thread);
      const ErrorList::Extension extension = extend(
          group, c, errors,
          [&](std::int64_t i, std::int64_t first, std::int64_t count, std::int64_t, float* buffer) {
            return in.logits(i, c, first, count, buffer);
          },
          [](float x, bool set) { return set ? 1 - x : 1 + x; });
      if (in.wants_gradient()) {
        const auto scale = static_cast<float>(in.grad_scale() * weight * share[c]);
        store_gradient(group, c, [&](std::int64_t, std::int64_t, std::int64_t count, std::int64_t at, float* gradient) {
          scaled(extension.slopes + at, scale, count, gradient);
        });
      }
      return share[c] * extension.value;
    });
  }

  static double of_softmax(const Call& call, const Group& group, const Room& room, const double* share, double weight) {
    const LossInput& in = group.in();
    const Softmax softmax(group, room.plane(1));
    const std::int64_t slots = call.threads();
    std::vector<ErrorList::Extension> extensions(static_cast<std::size_t>(slots));
    // As many classes at once as there are threads; then `use(first class, classes)`.
    const auto for_classes = [&](auto&& use) {
      for (std::int64_t c0 = 0; c0 < in.k(); c0 += slots) {
        const std::int64_t classes = std::min(slots, in.k() - c0);
        parallel_for(call, classes, [&](std::int64_t slot, int) {
          const std::int64_t c = c0 + slot;
          if (share[c] == 0) return;
          ErrorList errors = room.list(slot);
          extensions[static_cast<std::size_t>(slot)] = extend(
              group, c, errors,
              [&](std::int64_t i, std::int64_t first, std::int64_t count, std::int64_t at, float* buffer) {
                return softmax.probabilities(in, i, c, first, count, at, buffer);
              },
              [](float p, bool set) { return set ? 1 - p : p; });
        });
        use(c0, classes);
      }
    };

    double value = 0;
    // Of d value / dp over the classes of a pixel.
    float* mean = in.wants_gradient() ? room.plane(3) : nullptr;
    if (mean != nullptr) std::fill_n(mean, group.pixels(), 0.0f);
    const auto scale_of = [&](std::int64_t c) { return static_cast<float>(in.grad_scale() * weight * share[c]); };
    for_classes([&](std::int64_t c0, std::int64_t classes) {
      for (std::int64_t c = c0; c < c0 + classes; ++c)
        if (share[c] != 0) value += share[c] * extensions[static_cast<std::size_t>(c - c0)].value;
      if (mean == nullptr) return;
      // In the order of classes, however many of them come at once.
      group.for_runs([&](std::int64_t i, std::int64_t first, std::int64_t count, std::int64_t at) {
        alignas(64) float buffer[kMaxRun];
        for (std::int64_t c = c0; c < c0 + classes; ++c)
          if (share[c] != 0 && in.class_valid(i, c))
            add_products(extensions[static_cast<std::size_t>(c - c0)].slopes + at,
                         softmax.probabilities(in, i, c, first, count, at, buffer), scale_of(c), count, mean + at);
      });
    });
    if (mean == nullptr) return value;
    for_classes([&](std::int64_t c0, std::int64_t classes) {
      parallel_for(call, classes, [&](std::int64_t slot, int) {
        const std::int64_t c = c0 + slot;
        const float* slopes = share[c] != 0 ? extensions[static_cast<std::size_t>(slot)].slopes : nullptr;
        store_gradient(group, c,
                       [&](std::int64_t i, std::int64_t first, std::int64_t count, std::int64_t at, float* gradient) {
                         alignas(64) float buffer[kMaxRun];
                         const float* p = softmax.probabilities(in, i, c, first, count, at, buffer);
                         if (slopes != nullptr)
                           softmax_gradient(slopes + at, p, mean + at, scale_of(c), count, gradient);
                         else
                           softmax_gradient(mean + at, p, mean + at, 0, count, gradient);
                       });
      });
    });
    return value;
  }

  /// Of class `c`: lists the errors `error(number, whether it is of the class)` of the numbers that `numbers` gives for
  /// a run, and sorts them.
  template <class Numbers, class Error>
  static ErrorList::Extension extend(const Group& group, std::int64_t c, ErrorList& errors, Numbers&& numbers,
                                     Error&& error) {
    const LossInput& in = group.in();
    double total = 0;
    group.for_runs_of_class(c, [&](std::int64_t i, std::int64_t first, std::int64_t count, std::int64_t at) {
      alignas(64) float buffer[kMaxRun];
      const float* number = numbers(i, first, count, at, buffer);
      in.with_run(i, c, first, count, [&](auto pixels) {
        for (std::int64_t p = 0; p < count; ++p) {
          const bool set = is_set(pixels, p), valid = counts(pixels, p);
          errors.add(at + p, set, error(number[p], set), valid);
          total += set && valid ? group.weight() != nullptr ? static_cast<double>(group.weight()[at + p]) : 1.0 : 0.0;
        }
      });
    });
    return errors.extend(total, group.weight());
  }

  /// Stores what `fill(image, first, count, number in the group, gradient)` makes of every run of a class, 0 where a
  /// pixel or the class does not count.
  template <class Fill>
  static void store_gradient(const Group& group, std::int64_t c, Fill&& fill) {
    const LossInput& in = group.in();
    const std::int64_t images = group.pixels() / in.pixels();
    for (std::int64_t item = 0; item < images * in.runs(); ++item) {
      const std::int64_t image = item / in.runs(), run = item % in.runs(), first = run * kMaxRun;
      const std::int64_t i = group.first() + image, count = in.run_length(run);
      if (!in.class_valid(i, c)) {
        in.store_zero_gradient(i, c, first, count);
        continue;
      }
      alignas(64) float gradient[kMaxRun];
      fill(i, first, count, image * in.pixels() + first, gradient);
      in.with_run(i, c, first, count, [&](auto pixels) {
        for (std::int64_t p = 0; p < count; ++p) gradient[p] = vector_select(counts(pixels, p), gradient[p], 0);
      });
      in.store_gradient(i, c, first, count, gradient);
    }
  }
  static void store_zero_gradient(const Group& group, std::int64_t c) {
    const std::int64_t images = group.pixels() / group.in().pixels();
    for (std::int64_t i = group.first(); i < group.first() + images; ++i)
      group.in().store_zero_gradient(i, c, 0, group.in().pixels());
  }

  MeanOfClasses mean_;
  bool multiclass_;
};

osteon_component component() {
  const About about = {
      "lovasz", "1.0.0",
      "Lovász hinge for multilabel data and Lovász-Softmax for multiclass data, from logits, per image "
      "and class or over the batch.",
      "arXiv:1705.08790"};
#if defined(OSTEON_TORCH_CUDA)
  return loss<Lovasz, osteon::losses::LovaszExpression>(about);
#else
  return loss<Lovasz>(about);
#endif
}

}  // namespace

OSTEON_PLUGIN("lovasz", "1.0.0", component())
