// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <string>
#include <type_traits>
#include <vector>

#include <osteon/abi/loss.h>
#include <osteon/sdk/half.hpp>
#include <osteon/sdk/known.hpp>
#include <osteon/sdk/loss_run.hpp>
#include <osteon/sdk/request_check.hpp>
#include <osteon/sdk/tensor.hpp>

/// What a loss is asked, checked. Losses as fused kernels: <osteon/sdk/loss.hpp>; as torch expressions:
/// <osteon/sdk/torch/loss.hpp>.
namespace osteon::sdk {

/// What the data asks of a loss.
struct LossRequest {
  bool multiclass = false;  ///< true: exactly one class per valid pixel, softmax; false: any number of them, sigmoid
  std::int64_t n_classes = 0;
  std::vector<std::string> class_names;
};

namespace detail {

inline LossRequest loss_request(const osteon_loss_request* given) {
  const osteon_loss_request raw = known(given, "the request of a loss");
  const bool multiclass = detail::is_multiclass(raw.labels);
  if (raw.n_classes < 1) throw InvalidArgument("a loss needs at least one class");
  LossRequest request{multiclass, raw.n_classes, {}};
  for (std::int64_t k = 0; k < raw.n_classes; ++k) request.class_names.emplace_back(raw.class_names[k]);
  return request;
}

inline constexpr osteon_dtype kFloat32{OSTEON_DTYPE_FLOAT, 32, 1}, kFloat16{OSTEON_DTYPE_FLOAT, 16, 1},
    kBfloat16{OSTEON_DTYPE_BFLOAT, 16, 1};

inline constexpr std::uint32_t kLossFlags =
    OSTEON_LOSS_ACCUMULATE | OSTEON_LOSS_PIXEL_WEIGHT | OSTEON_LOSS_CLASS_VALID | OSTEON_LOSS_SOFT_TARGET;

/// The flags that a loss class understands: its kUnderstands, and what the layer does for every class.
template <class T, class = void>
inline constexpr std::uint32_t kUnderstoodBy = OSTEON_LOSS_ACCUMULATE;
template <class T>
inline constexpr std::uint32_t kUnderstoodBy<T, std::void_t<decltype(T::kUnderstands)>> =
    std::uint32_t{OSTEON_LOSS_ACCUMULATE} | T::kUnderstands;

/// Why a loss class does not understand the other flags, and what to use instead: its kInstead; else nothing.
template <class T, class = void>
inline constexpr const char* kInsteadOf = nullptr;
template <class T>
inline constexpr const char* kInsteadOf<T, std::void_t<decltype(T::kInstead)>> = T::kInstead;

/// The input that a host gave; throws Unsupported for what is not among `understood`, with `instead` if there is one.
inline osteon_loss_input known_loss_input(const osteon_loss_input* given, std::uint32_t understood,
                                          const char* instead = nullptr) {
  const osteon_loss_input raw = known(given, "a loss's input", kLossFlags);
  const auto refuse = [&](std::uint32_t flag, const char* what) {
    if ((raw.flags & flag & ~understood) != 0)
      throw Unsupported(std::string("this loss does not know ") + what +
                        (instead != nullptr ? std::string(": ") + instead : std::string()));
  };
  refuse(OSTEON_LOSS_PIXEL_WEIGHT, "weights of pixels");
  refuse(OSTEON_LOSS_CLASS_VALID, "classes that are unknown in an image");
  refuse(OSTEON_LOSS_SOFT_TARGET, "targets between 0 and 1");
  return raw;
}

/// Throws unless a tensor of an input is canonical and of this shape and type.
inline void check_loss_tensor(const osteon_tensor_view& view, const std::vector<std::int64_t>& shape, osteon_dtype type,
                              const char* what) {
  expect_canonical(view, what);
  expect_shape(view, shape, what);
  if (view.dtype != type)
    throw Unsupported(std::string(what) + " is " + to_string(view.dtype) + ", not " + to_string(type));
}

/// The same for one that comes with a flag: it is there with it, and only with it.
inline void check_loss_tensor_of_flag(const osteon_loss_input& raw, std::uint32_t flag, const osteon_tensor_view* view,
                                      const std::vector<std::int64_t>& shape, osteon_dtype type, const char* what) {
  const bool flagged = (raw.flags & flag) != 0;
  if (flagged != (view != nullptr))
    throw InvalidArgument(std::string(what) +
                          (flagged ? " is NULL, but its flag is set" : " is given without its flag"));
  if (view != nullptr) check_loss_tensor(*view, shape, type, what);
}

/// Checks whatever holds for every loss and device: shapes, dtypes and layout of all tensors.
inline void check_loss_input(const osteon_loss_input& raw, std::int64_t n_classes) {
  if (raw.logits == nullptr) throw InvalidArgument("a loss needs logits");
  const osteon_tensor_view& logits = *raw.logits;
  expect_canonical(logits, "logits");
  expect_shape(logits, {-1, n_classes, -1, -1}, "logits");
  const std::int64_t n = logits.shape[0], h = logits.shape[2], w = logits.shape[3];
  if (logits.dtype != kFloat32 && logits.dtype != kFloat16 && logits.dtype != kBfloat16)
    throw Unsupported("logits are " + to_string(logits.dtype) + "; float32, float16 and bfloat16 are offered");
  check_loss_tensor_of_flag(raw, OSTEON_LOSS_SOFT_TARGET, raw.soft_target, {n, n_classes, h, w}, kFloat32,
                            "soft_target");
  if ((raw.soft_target != nullptr) == (raw.target != nullptr))
    throw InvalidArgument("a loss needs target planes, or soft_target in their place");
  if (raw.target != nullptr)
    check_loss_tensor(*raw.target, {n, (n_classes + 31) / 32, h, w}, dtype_of<std::int32_t>(), "target planes");
  if (raw.valid != nullptr) check_loss_tensor(*raw.valid, {n, h, w}, dtype_of<std::uint8_t>(), "valid plane");
  if (raw.sample_weight != nullptr) check_loss_tensor(*raw.sample_weight, {n}, kFloat32, "sample_weight");
  check_loss_tensor_of_flag(raw, OSTEON_LOSS_PIXEL_WEIGHT, raw.pixel_weight, {n, h, w}, kFloat32, "pixel_weight");
  check_loss_tensor_of_flag(raw, OSTEON_LOSS_CLASS_VALID, raw.class_valid, {n, n_classes}, dtype_of<std::uint8_t>(),
                            "class_valid");
  if (raw.grad == nullptr) return;
  expect_canonical(*raw.grad, "grad");
  expect_shape(*raw.grad, {n, n_classes, h, w}, "grad");
  if (raw.grad->dtype != logits.dtype)
    throw InvalidArgument("grad is " + to_string(raw.grad->dtype) + ", logits are " + to_string(logits.dtype));
}

}  // namespace detail

/// One evaluation on the CPU, checked. Pixels of one image are numbered row-major, 0 .. pixels() - 1; losses work on
/// runs of at most kMaxRun of them, in float32 whatever the logits are. [any-thread]
class LossInput {
 public:
  static constexpr std::int64_t kMaxRun = 4096;

  /// Throws InvalidArgument or Unsupported, with sizes and dtypes, when the tensors do not fit.
  LossInput(const osteon_loss_input& raw, std::int64_t n_classes) : raw_(raw) {
    detail::check_loss_input(raw, n_classes);
    dtype_ = raw.logits->dtype;
    logits_ = any_data(*raw.logits, "logits");
    if (raw.target != nullptr)
      target_ = reinterpret_cast<const std::uint32_t*>(data_of<std::int32_t>(*raw.target, "target planes"));
    if (raw.soft_target != nullptr) soft_ = data_of<float>(*raw.soft_target, "soft_target");
    if (raw.valid != nullptr) valid_ = data_of<std::uint8_t>(*raw.valid, "valid plane");
    if (raw.sample_weight != nullptr) weight_ = data_of<float>(*raw.sample_weight, "sample_weight");
    if (raw.pixel_weight != nullptr) pixel_weight_ = data_of<float>(*raw.pixel_weight, "pixel_weight");
    if (raw.class_valid != nullptr) class_valid_ = data_of<std::uint8_t>(*raw.class_valid, "class_valid");
    if (raw.grad != nullptr) grad_ = any_data(*raw.grad, "grad");
    count_valid();
    add_weights_up();
  }

  std::int64_t n() const noexcept { return raw_.logits->shape[0]; }  ///< images
  std::int64_t k() const noexcept { return raw_.logits->shape[1]; }  ///< classes
  std::int64_t h() const noexcept { return raw_.logits->shape[2]; }
  std::int64_t w() const noexcept { return raw_.logits->shape[3]; }
  std::int64_t pixels() const noexcept { return h() * w(); }
  std::int64_t planes() const noexcept { return (k() + 31) / 32; }
  osteon_dtype dtype() const noexcept { return dtype_; }
  const osteon_loss_input& raw() const noexcept { return raw_; }

  /// Runs of an image: run r is pixels r * kMaxRun .. r * kMaxRun + run_length(r) - 1.
  std::int64_t runs() const noexcept { return (pixels() + kMaxRun - 1) / kMaxRun; }
  std::int64_t run_length(std::int64_t run) const noexcept { return std::min(kMaxRun, pixels() - run * kMaxRun); }

  /// Whether bits and valid pixels say it all: no pixel has a weight, no target lies between 0 and 1. Always so for a
  /// class that does not say otherwise in kUnderstands.
  bool is_plain() const noexcept { return pixel_weight_ == nullptr && soft_ == nullptr; }

  /// Bit plane that holds class `c` of image `i`, from pixel `first`; the class is bit c % 32. Not of soft targets.
  const std::uint32_t* plane(std::int64_t i, std::int64_t c, std::int64_t first) const noexcept {
    return target_ + (i * planes() + c / 32) * pixels() + first;
  }
  /// For kMaxRun pixels or what the image has left: 0 where the pixel contributes nothing. Never null.
  const std::uint8_t* valid(std::int64_t i, std::int64_t first) const noexcept {
    return valid_ != nullptr ? valid_ + i * pixels() + first : all_valid();
  }
  std::int64_t valid_pixels(std::int64_t i) const noexcept { return valid_pixels_[static_cast<std::size_t>(i)]; }
  /// Of all images; at least 1 inside evaluate().
  std::int64_t valid_pixels() const noexcept { return total_valid_; }
  float sample_weight(std::int64_t i) const noexcept { return weight_ != nullptr ? weight_[i] : 1.0f; }

  bool has_class_valid() const noexcept { return class_valid_ != nullptr; }
  /// False where nobody knows whether class `c` is in image `i`: its logits contribute nothing there.
  bool class_valid(std::int64_t i, std::int64_t c) const noexcept {
    return !has_class_valid() || class_valid_[i * k() + c] != 0;
  }
  /// The sum of what the pixels of image `i` count: its valid pixels, each times its weight.
  double weight_sum(std::int64_t i) const noexcept { return weight_sum_[static_cast<std::size_t>(i)]; }
  /// Of all images.
  double weight_sum() const noexcept { return std::accumulate(weight_sum_.begin(), weight_sum_.end(), 0.0); }
  /// Whether class `c` is known in image `i`, which has a pixel that counts.
  bool counts(std::int64_t i, std::int64_t c) const noexcept { return class_valid(i, c) && weight_sum(i) > 0; }
  /// Whether that is so for any class and image; it is inside evaluate().
  bool anything_counts() const noexcept {
    for (std::int64_t i = 0; i < n(); ++i)
      for (std::int64_t c = 0; c < k(); ++c)
        if (counts(i, c)) return true;
    return false;
  }

  /// What each of some pixels counts, at most kMaxRun: 0 where it is not valid. In `buffer`.
  const float* weights(std::int64_t i, std::int64_t first, std::int64_t count, float* buffer) const noexcept {
    const std::uint8_t* valid = this->valid(i, first);
    const float* weight = pixel_weight_ != nullptr ? pixel_weight_ + i * pixels() + first : nullptr;
    for (std::int64_t p = 0; p < count; ++p)
      buffer[p] = vector_select(valid[p] != 0, weight != nullptr ? weight[p] : 1.0f, 0);
    return buffer;
  }
  /// How much of class `c` each of some pixels is, 0..1: where it lies when targets are soft, else bits made numbers in
  /// `buffer`.
  const float* targets(std::int64_t i, std::int64_t c, std::int64_t first, std::int64_t count,
                       float* buffer) const noexcept {
    if (soft_ != nullptr) return soft_ + offset(i, c, first);
    const std::uint32_t* bits = plane(i, c, first);
    for (std::int64_t p = 0; p < count; ++p) buffer[p] = static_cast<float>((bits[p] >> (c % 32)) & 1u);
    return buffer;
  }
  /// `use(run)` with what a run of class `c` is held against: a BitRun where is_plain(), else a SoftRun.
  template <class Use>
  auto with_run(std::int64_t i, std::int64_t c, std::int64_t first, std::int64_t count, Use&& use) const {
    if (is_plain()) return use(BitRun{plane(i, c, first), valid(i, first), static_cast<unsigned>(c % 32)});
    alignas(64) float of_target[kMaxRun];
    alignas(64) float of_weight[kMaxRun];
    return use(SoftRun{targets(i, c, first, count, of_target), weights(i, first, count, of_weight)});
  }

  /// The factor that stored gradients must contain already.
  double grad_scale() const noexcept { return raw_.grad_scale; }
  bool wants_gradient() const noexcept { return grad_ != nullptr; }

  /// Logits of class `c` of image `i` from pixel `first`: where they lie when they are float32, else converted to
  /// `buffer`.
  const float* logits(std::int64_t i, std::int64_t c, std::int64_t first, std::int64_t count, float* buffer) const {
    const std::int64_t at = offset(i, c, first);
    if (dtype_ == kFloat32) return static_cast<const float*>(logits_) + at;
    widen(static_cast<const std::uint16_t*>(logits_) + at, count, buffer);
    return buffer;
  }

  /// Stores or, as the caller wants it, adds a run of d value / d logits, grad_scale contained. Narrowed last. Does
  /// nothing when no gradient is wanted.
  void store_gradient(std::int64_t i, std::int64_t c, std::int64_t first, std::int64_t count,
                      const float* scaled) const {
    if (grad_ == nullptr) return;
    const bool add = (raw_.flags & OSTEON_LOSS_ACCUMULATE) != 0;
    const std::int64_t at = offset(i, c, first);
    if (dtype_ == kFloat32) {
      float* out = static_cast<float*>(grad_) + at;
      if (!add)
        std::copy_n(scaled, count, out);
      else
        for (std::int64_t p = 0; p < count; ++p) out[p] += scaled[p];
      return;
    }
    auto* out = static_cast<std::uint16_t*>(grad_) + at;
    if (dtype_ == kFloat16)
      for (std::int64_t p = 0; p < count; ++p)
        out[p] = half_from_float(add ? float_from_half(out[p]) + scaled[p] : scaled[p]);
    else
      for (std::int64_t p = 0; p < count; ++p)
        out[p] = bfloat_from_float(add ? float_from_bfloat(out[p]) + scaled[p] : scaled[p]);
  }

  /// The same for a run that contributes nothing: zeros, or nothing when gradients are added up.
  void store_zero_gradient(std::int64_t i, std::int64_t c, std::int64_t first, std::int64_t count) const {
    if (grad_ == nullptr || (raw_.flags & OSTEON_LOSS_ACCUMULATE) != 0) return;
    const std::int64_t size = dtype_.bits / 8;
    std::fill_n(static_cast<std::uint8_t*>(grad_) + offset(i, c, first) * size, count * size, std::uint8_t{0});
  }
  /// The gradient of a loss that is 0.
  void store_zero_gradient() const {
    for (std::int64_t i = 0; i < n(); ++i)
      for (std::int64_t c = 0; c < k(); ++c) store_zero_gradient(i, c, 0, pixels());
  }

  static constexpr osteon_dtype kFloat32 = detail::kFloat32, kFloat16 = detail::kFloat16, kBfloat16 = detail::kBfloat16;

 private:
  static void* any_data(const osteon_tensor_view& view, const char* what) {
    osteon_tensor_view as_int = view;  // data_of checks all but the type, which was checked above
    as_int.dtype = view.dtype.bits == 32 ? dtype_of<std::int32_t>() : dtype_of<std::int16_t>();
    return view.dtype.bits == 32 ? static_cast<void*>(data_of<std::int32_t>(as_int, what))
                                 : static_cast<void*>(data_of<std::int16_t>(as_int, what));
  }
  static const std::uint8_t* all_valid() noexcept {
    static const std::vector<std::uint8_t> ones(static_cast<std::size_t>(kMaxRun), 1);
    return ones.data();
  }
  std::int64_t offset(std::int64_t i, std::int64_t c, std::int64_t first) const noexcept {
    return (i * k() + c) * pixels() + first;
  }
  void widen(const std::uint16_t* in, std::int64_t count, float* out) const {
    if (dtype_ == kFloat16)
      for (std::int64_t p = 0; p < count; ++p) out[p] = float_from_half(in[p]);
    else
      for (std::int64_t p = 0; p < count; ++p) out[p] = float_from_bfloat(in[p]);
  }
  void count_valid() {
    valid_pixels_.assign(static_cast<std::size_t>(n()), pixels());
    if (valid_ != nullptr)
      for (std::int64_t i = 0; i < n(); ++i) {
        const std::uint8_t* first = valid_ + i * pixels();
        valid_pixels_[static_cast<std::size_t>(i)] = pixels() - std::count(first, first + pixels(), std::uint8_t{0});
      }
    for (const std::int64_t count : valid_pixels_) total_valid_ += count;
  }
  void add_weights_up() {
    weight_sum_.assign(valid_pixels_.begin(), valid_pixels_.end());
    if (pixel_weight_ == nullptr) return;
    alignas(64) float run[kMaxRun];
    for (std::int64_t i = 0; i < n(); ++i) {
      double& sum = weight_sum_[static_cast<std::size_t>(i)];
      sum = 0;
      for (std::int64_t r = 0; r < runs(); ++r) {
        weights(i, r * kMaxRun, run_length(r), run);
        if (std::any_of(run, run + run_length(r), [](float weight) { return !(weight >= 0); }))
          throw InvalidArgument("pixel_weight of image " + std::to_string(i) + " has values below 0, or NaN");
        sum += vector_sum(run, run_length(r));
      }
      if (!std::isfinite(sum)) throw InvalidArgument("pixel_weight of image " + std::to_string(i) + " is not finite");
    }
  }

  osteon_loss_input raw_;
  osteon_dtype dtype_{};
  const void* logits_ = nullptr;
  const std::uint32_t* target_ = nullptr;
  const float* soft_ = nullptr;
  const std::uint8_t* valid_ = nullptr;
  const float* weight_ = nullptr;
  const float* pixel_weight_ = nullptr;
  const std::uint8_t* class_valid_ = nullptr;
  void* grad_ = nullptr;
  std::vector<std::int64_t> valid_pixels_;
  std::int64_t total_valid_ = 0;
  std::vector<double> weight_sum_;
};

}  // namespace osteon::sdk
