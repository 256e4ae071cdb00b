// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <c10/core/InferenceMode.h>

#include <osteon/sdk/loss.hpp>
#include <osteon/sdk/torch/compat.hpp>
#include <osteon/sdk/torch/error.hpp>
#include <osteon/sdk/torch/guards.hpp>
#include <osteon/sdk/torch/tensor.hpp>

/// Losses as one torch expression; autograd gives the gradient. Fused kernels without LibTorch: <osteon/sdk/loss.hpp>.
/// A loss can be both, loss<Fused, Expression>: the kernel on the CPU, the expression on CUDA.
///
///     class Focal {
///      public:
///       struct Params {
///         double gamma = 2;
///         static void schema(Schema<Params>& s) { s.add("gamma", &Params::gamma, "focus on hard pixels").at_least(0);
///         }
///       };
///       Focal(const Params& params, const LossRequest&) : gamma_(params.gamma) {}
///       at::Tensor forward(const at::Tensor& logits, const TorchTarget& target) const {
///         const auto ce = at::binary_cross_entropy_with_logits(logits, target.dense(), {}, {}, at::Reduction::None);
///         return target.mean((1 - (-ce).exp()).pow(gamma_) * ce);
///       }
///      private:
///       double gamma_;
///     };
///     OSTEON_PLUGIN("focal", "1.0.0", osteon::sdk::torch_loss<Focal>({"focal", "1.0.0", "...", "arXiv:1708.02002"}))
namespace osteon::sdk {

/// What the logits are held against, made as it is asked for. On the device of the logits. Valid inside forward().
class TorchTarget {
 public:
  TorchTarget(const osteon_loss_input& raw, bool multiclass)
      : planes_(borrow(*raw.target, "target planes")), k_(raw.logits->shape[1]), multiclass_(multiclass) {
    if (raw.valid != nullptr) valid_ = borrow(*raw.valid, "valid plane").unsqueeze(1).ne(0);
    if (raw.sample_weight != nullptr) weight_ = borrow(*raw.sample_weight, "sample_weight").view({-1, 1, 1, 1});
  }

  bool multiclass() const noexcept { return multiclass_; }

  /// [N, K, H, W] float32, 0 or 1. Four bytes per pixel and class: a fused kernel reads the planes instead.
  const at::Tensor& dense() const {
    if (dense_.defined()) return dense_;
    std::vector<at::Tensor> groups;
    for (std::int64_t first = 0; first < k_; first += 32) {
      const at::Tensor bits = at::arange(std::min<std::int64_t>(32, k_ - first), planes_.options()).view({1, -1, 1, 1});
      groups.push_back(
          planes_.narrow(1, first / 32, 1).bitwise_right_shift(bits).bitwise_and_(1));  // the sign bit is masked off
    }
    return dense_ = (groups.size() == 1 ? groups[0] : at::cat(groups, 1)).to(at::kFloat);
  }

  /// [N, H, W] int64, the class of each pixel, and `ignore` where the pixel is not valid. Multiclass data only. Throws
  /// InvalidArgument when a valid pixel has not exactly one class.
  at::Tensor class_index(std::int64_t ignore = -100) const {
    if (!multiclass_) throw Unsupported("class_index() needs multiclass data, this is multilabel");
    const at::Tensor holes = valid_.defined() ? valid_.logical_not().squeeze(1) : at::Tensor();
    at::Tensor count = dense().sum(1);
    if (holes.defined()) count.masked_fill_(holes, 1);
    if (!count.eq(1).all().item<bool>()) throw InvalidArgument("a valid pixel of the target has not exactly one class");
    at::Tensor index = dense().argmax(1);
    return holes.defined() ? index.masked_fill_(holes, ignore) : index;
  }

  /// `per_pixel` [N, C, H, W] with 0 where the pixel is not valid.
  at::Tensor kept(const at::Tensor& per_pixel) const {
    return valid_.defined() ? per_pixel.masked_fill(valid_.logical_not(), 0) : per_pixel;
  }

  /// [N, 1, H, W] bool.
  const at::Tensor& valid() const {
    if (!valid_.defined())
      valid_ = at::ones({planes_.size(0), 1, planes_.size(2), planes_.size(3)}, planes_.options().dtype(at::kBool));
    return valid_;
  }

  /// [N, 1, 1, 1] float32.
  const at::Tensor& sample_weight() const {
    if (!weight_.defined()) weight_ = at::ones({planes_.size(0), 1, 1, 1}, planes_.options().dtype(at::kFloat));
    return weight_;
  }

  /// Mean of [N, C, H, W] over valid pixels and channels; each image times its sample weight, which is not divided out.
  at::Tensor mean(const at::Tensor& per_pixel) const {
    if (!valid_.defined() && !weight_.defined()) return per_pixel.mean();
    const at::Tensor sum = (weight_.defined() ? kept(per_pixel) * weight_ : kept(per_pixel)).sum();
    return sum / (valid().sum().clamp_min(1) * per_pixel.size(1));
  }

 private:
  at::Tensor planes_;  ///< [N, P, H, W] int32
  std::int64_t k_;
  bool multiclass_;
  mutable at::Tensor dense_, valid_, weight_;
};

namespace detail {

/// The ABI's functions over a class T with `forward(logits, target)`.
template <class T>
struct TorchLossLayer {
  struct Instance {
    LossRequest request;
    T loss;
  };

  static osteon_status create(const osteon_call*, const osteon_value* const* values, const osteon_loss_request* request,
                              osteon_loss** out, osteon_error* error) {
    return torch_guard(error, [&] {
      const LossRequest typed = loss_request(*request);
      *out =
          reinterpret_cast<osteon_loss*>(new Instance{typed, T(schema_of<typename T::Params>().read(values), typed)});
    });
  }

  static void destroy(osteon_loss* loss) { delete reinterpret_cast<Instance*>(loss); }

  static osteon_status evaluate(const osteon_call* call, osteon_loss* loss, const osteon_loss_input* raw, double* value,
                                osteon_error* error) {
    return torch_guard(error, [&] {
      const auto& instance = *reinterpret_cast<const Instance*>(loss);
      check_loss_input(*raw, instance.request.n_classes);
      const Call typed(call);
      typed.stop_if_cancelled();
      const c10::InferenceMode no_inference(false);
      const at::Device device = to_torch_device(raw->logits->device);
      const compat::StreamGuard stream(device, typed.stream());
      const ThreadsGuard threads(typed.threads());
      *value = evaluate(instance, *raw);
    });
  }

  static double evaluate(const Instance& instance, const osteon_loss_input& raw) {
    const TorchTarget target(raw, instance.request.multiclass);
    const bool nothing =
        element_count(*raw.target) == 0 || (raw.valid != nullptr && !target.valid().any().template item<bool>());
    const bool add = (raw.flags & OSTEON_LOSS_ACCUMULATE) != 0;
    at::Tensor grad = raw.grad != nullptr ? borrow(*raw.grad, "grad") : at::Tensor();
    if (nothing) {
      if (grad.defined() && !add) grad.zero_();
      return 0;
    }
    const c10::AutoGradMode enable(grad.defined());
    // What lies under invalid pixels (NaN included) gets neither into the value nor, by 0 x NaN, into the gradient.
    at::Tensor leaf = borrow(*raw.logits, "logits").to(at::kFloat);
    if (raw.valid != nullptr) leaf = leaf.masked_fill(target.valid().logical_not(), 0);
    leaf = leaf.detach().set_requires_grad(grad.defined());
    const at::Tensor value = instance.loss.forward(leaf, target);
    if (value.dim() != 0) throw Error(OSTEON_FAILED, "the loss's forward gave a tensor that is no scalar");
    if (grad.defined()) {
      // The scale goes in at the root, so that nothing on the way down is too small.
      if (value.requires_grad())
        compat::run_backward({torch::autograd::impl::gradient_edge(value)}, {at::full_like(value, raw.grad_scale)});
      at::Tensor slope = leaf.grad().defined() ? leaf.grad() : at::zeros_like(leaf);
      const c10::NoGradGuard no_grad;
      if (raw.valid != nullptr) slope.masked_fill_(target.valid().logical_not(), 0);
      if (add) slope.add_(grad);  // in float32; then narrowed
      grad.copy_(slope);
    }
    return value.detach().to(at::kDouble).template item<double>();
  }

  static constexpr osteon_loss_api kApi{sizeof(osteon_loss_api), 0, &create, &destroy, &evaluate};
};

/// The ABI's functions over a fused kernel for the CPU and an expression for other devices.
template <class Fused, class Expression>
struct LossLayers {
  static_assert(std::is_same_v<typename Fused::Params, typename Expression::Params>, "one loss has one set of keys");
  struct Instance {
    typename LossLayer<Fused>::Instance fused;
    typename TorchLossLayer<Expression>::Instance expression;
  };

  static osteon_status create(const osteon_call*, const osteon_value* const* values, const osteon_loss_request* request,
                              osteon_loss** out, osteon_error* error) {
    return guard(error, [&] {
      const LossRequest typed = loss_request(*request);
      const auto params = schema_of<typename Fused::Params>().read(values);
      *out = reinterpret_cast<osteon_loss*>(
          new Instance{{typed, Fused(params, typed)}, {typed, Expression(params, typed)}});
    });
  }

  static void destroy(osteon_loss* loss) { delete reinterpret_cast<Instance*>(loss); }

  static osteon_status evaluate(const osteon_call* call, osteon_loss* loss, const osteon_loss_input* raw, double* value,
                                osteon_error* error) {
    auto& instance = *reinterpret_cast<Instance*>(loss);
    const auto part = [](auto& layer) { return reinterpret_cast<osteon_loss*>(&layer); };
    if (raw->logits == nullptr || raw->logits->device.type == OSTEON_DEVICE_CPU)
      return LossLayer<Fused>::evaluate(call, part(instance.fused), raw, value, error);
    return TorchLossLayer<Expression>::evaluate(call, part(instance.expression), raw, value, error);
  }

  static constexpr osteon_loss_api kApi{sizeof(osteon_loss_api), 0, &create, &destroy, &evaluate};
};

}  // namespace detail

/// The component of a torch loss, for OSTEON_PLUGIN. It works wherever LibTorch does, in float32, float16 and bfloat16;
/// `forward` sees float32 logits [N, K, H, W], which may be 0 where pixels are not valid, and gives a scalar.
template <class T>
osteon_component torch_loss(const About& about) {
  return detail::component<typename T::Params>(OSTEON_KIND_LOSS, about, &detail::TorchLossLayer<T>::kApi,
                                               {OSTEON_DEVICE_CPU, OSTEON_DEVICE_CUDA},
                                               {LossInput::kFloat32, LossInput::kFloat16, LossInput::kBfloat16});
}

/// The component of a loss that is a fused kernel (as for loss<Fused>) on the CPU and a torch expression (as for
/// torch_loss<Expression>) on CUDA, with the same Params and the same value.
template <class Fused, class Expression>
osteon_component loss(const About& about) {
  return detail::component<typename Fused::Params>(
      OSTEON_KIND_LOSS, about, &detail::LossLayers<Fused, Expression>::kApi, {OSTEON_DEVICE_CPU, OSTEON_DEVICE_CUDA},
      {LossInput::kFloat32, LossInput::kFloat16, LossInput::kBfloat16});
}

}  // namespace osteon::sdk
