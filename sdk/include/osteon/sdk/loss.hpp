// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include <osteon/abi/entry.h>
#include <osteon/abi/loss.h>
#include <osteon/sdk/call.hpp>
#include <osteon/sdk/half.hpp>
#include <osteon/sdk/plugin.hpp>
#include <osteon/sdk/request_check.hpp>

/// Losses as fused kernels over logits and bit planes, without LibTorch. A loss that is one torch expression:
/// <osteon/sdk/torch/loss.hpp>.
///
///     class MyLoss {
///      public:
///       struct Params { ... static void schema(Schema<Params>&); };
///       MyLoss(const Params&, const LossRequest&);                       // throws for what does not go together
///       double evaluate(const Call&, const LossInput&) const;            // the value; stores the gradient
///     };
///     OSTEON_PLUGIN("my_loss", "1.0.0", osteon::sdk::loss<MyLoss>({"my_loss", "1.0.0", "...", "arXiv:..."}))
namespace osteon::sdk {

/// What the data asks of a loss.
struct LossRequest {
  bool multiclass = false;  ///< true: exactly one class per valid pixel, softmax; false: any number of them, sigmoid
  std::int64_t n_classes = 0;
  std::vector<std::string> class_names;
};

namespace detail {

inline LossRequest loss_request(const osteon_loss_request& raw) {
  const bool multiclass = detail::is_multiclass(raw.labels);
  if (raw.n_classes < 1) throw InvalidArgument("a loss needs at least one class");
  LossRequest request{multiclass, raw.n_classes, {}};
  for (std::int64_t k = 0; k < raw.n_classes; ++k) request.class_names.emplace_back(raw.class_names[k]);
  return request;
}

inline constexpr osteon_dtype kFloat32{OSTEON_DTYPE_FLOAT, 32, 1}, kFloat16{OSTEON_DTYPE_FLOAT, 16, 1},
    kBfloat16{OSTEON_DTYPE_BFLOAT, 16, 1};

/// Checks whatever holds for every loss and device: flags, shapes and dtypes of all tensors.
inline void check_loss_input(const osteon_loss_input& raw, std::int64_t n_classes) {
  detail::check_flags(raw.flags, OSTEON_LOSS_ACCUMULATE, "loss");
  if (raw.logits == nullptr || raw.target == nullptr) throw InvalidArgument("a loss needs logits and a target");
  const osteon_tensor_view& logits = *raw.logits;
  expect_shape(logits, {-1, n_classes, -1, -1}, "logits");
  const std::int64_t n = logits.shape[0], h = logits.shape[2], w = logits.shape[3];
  if (logits.dtype != kFloat32 && logits.dtype != kFloat16 && logits.dtype != kBfloat16)
    throw Unsupported("logits are " + to_string(logits.dtype) + "; float32, float16 and bfloat16 are offered");
  expect_shape(*raw.target, {n, (n_classes + 31) / 32, h, w}, "target planes");
  if (raw.target->dtype != dtype_of<std::int32_t>())
    throw Unsupported("target planes are " + to_string(raw.target->dtype) + ", not int32");
  if (raw.valid != nullptr) expect_shape(*raw.valid, {n, h, w}, "valid plane");
  if (raw.sample_weight != nullptr) expect_shape(*raw.sample_weight, {n}, "sample_weight");
  if (raw.grad == nullptr) return;
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
    target_ = reinterpret_cast<const std::uint32_t*>(data_of<std::int32_t>(*raw.target, "target planes"));
    if (raw.valid != nullptr) valid_ = data_of<std::uint8_t>(*raw.valid, "valid plane");
    if (raw.sample_weight != nullptr) weight_ = data_of<float>(*raw.sample_weight, "sample_weight");
    if (raw.grad != nullptr) grad_ = any_data(*raw.grad, "grad");
    count_valid();
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

  /// Bit plane that holds class `c` of image `i`, from pixel `first`; the class is bit c % 32.
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

  /// The gradient of a loss that is 0: zeros, or nothing when gradients are added up.
  void store_zero_gradient() const {
    if (grad_ == nullptr || (raw_.flags & OSTEON_LOSS_ACCUMULATE) != 0) return;
    std::fill_n(static_cast<std::uint8_t*>(grad_), n() * k() * pixels() * (dtype_.bits / 8), std::uint8_t{0});
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

  const osteon_loss_input& raw_;
  osteon_dtype dtype_{};
  const void* logits_ = nullptr;
  const std::uint32_t* target_ = nullptr;
  const std::uint8_t* valid_ = nullptr;
  const float* weight_ = nullptr;
  void* grad_ = nullptr;
  std::vector<std::int64_t> valid_pixels_;
  std::int64_t total_valid_ = 0;
};

// ---- registration ----

namespace detail {

/// The ABI's functions over a loss class T.
template <class T>
struct LossLayer {
  struct Instance {
    LossRequest request;
    T loss;
  };

  static osteon_status create(const osteon_call*, const osteon_value* const* values, const osteon_loss_request* request,
                              osteon_loss** out, osteon_error* error) {
    return guard(error, [&] {
      const LossRequest typed = loss_request(*request);
      *out =
          reinterpret_cast<osteon_loss*>(new Instance{typed, T(schema_of<typename T::Params>().read(values), typed)});
    });
  }

  static void destroy(osteon_loss* loss) { delete reinterpret_cast<Instance*>(loss); }

  static osteon_status evaluate(const osteon_call* call, osteon_loss* loss, const osteon_loss_input* raw, double* value,
                                osteon_error* error) {
    return guard(error, [&] {
      const auto& instance = *reinterpret_cast<const Instance*>(loss);
      const LossInput input(*raw, instance.request.n_classes);
      if (input.valid_pixels() == 0) {
        input.store_zero_gradient();
        *value = 0;
      } else {
        *value = instance.loss.evaluate(Call(call), input);
      }
    });
  }

  static constexpr osteon_loss_api kApi{sizeof(osteon_loss_api), 0, &create, &destroy, &evaluate};
};

}  // namespace detail

/// The component of a loss class, for OSTEON_PLUGIN. It works on the CPU, in float32, float16 and bfloat16.
template <class T>
osteon_component loss(const About& about) {
  return detail::component<typename T::Params>(OSTEON_KIND_LOSS, about, &detail::LossLayer<T>::kApi,
                                               {OSTEON_DEVICE_CPU},
                                               {LossInput::kFloat32, LossInput::kFloat16, LossInput::kBfloat16});
}

}  // namespace osteon::sdk
