// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <type_traits>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <c10/core/InferenceMode.h>

#include <osteon/sdk/loss.hpp>
#include <osteon/sdk/torch/compat.hpp>
#include <osteon/sdk/torch/error.hpp>
#include <osteon/sdk/torch/guards.hpp>
#include <osteon/sdk/torch/loss_target.hpp>
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
///       // mean() takes care of these. What it does not list is refused before forward() is called.
///       static constexpr std::uint32_t kUnderstands = OSTEON_LOSS_PIXEL_WEIGHT | OSTEON_LOSS_CLASS_VALID;
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
namespace detail {

inline void check_loss_devices(const osteon_loss_input& raw) {
  const osteon_device device = raw.logits->device;
  const auto expect_there = [&](const osteon_tensor_view* view, const char* what) {
    if (view != nullptr && (view->device.type != device.type || view->device.id != device.id))
      throw InvalidArgument(std::string(what) + " is on another device than the logits");
  };
  expect_there(raw.target, "target planes");
  expect_there(raw.soft_target, "soft_target");
  expect_there(raw.valid, "valid plane");
  expect_there(raw.sample_weight, "sample_weight");
  expect_there(raw.pixel_weight, "pixel_weight");
  expect_there(raw.class_valid, "class_valid");
  expect_there(raw.grad, "grad");
}

/// Whether no class of any pixel counts. Waits for the device, but only where that could be.
inline bool nothing_counts(const osteon_loss_input& raw, const TorchTarget& target) {
  if (element_count(*raw.logits) == 0) return true;
  if (raw.pixel_weight != nullptr) {
    const at::Tensor weight = target.pixel_weight();
    if (!weight.ge(0).logical_and(weight.isfinite()).all().item<bool>())
      throw InvalidArgument("pixel_weight has values that are below 0 or not finite");
  }
  if (raw.class_valid != nullptr) return !target.counts().any().item<bool>();
  return target.has_holes() && !target.valid().any().item<bool>();
}

/// The ABI's functions over a class T with `forward(logits, target)`.
template <class T>
struct TorchLossLayer {
  struct Instance {
    LossRequest request;
    T loss;
  };

  static osteon_status create(const osteon_call* call, const osteon_value* const* values,
                              const osteon_loss_request* request, osteon_loss** out, osteon_error* error) {
    return torch_guard(error, [&] {
      known(call, "the call");
      const LossRequest typed = loss_request(request);
      *out =
          reinterpret_cast<osteon_loss*>(new Instance{typed, T(schema_of<typename T::Params>().read(values), typed)});
    });
  }

  static void destroy(osteon_loss* loss) { delete reinterpret_cast<Instance*>(loss); }

  static osteon_status evaluate(const osteon_call* call, osteon_loss* loss, const osteon_loss_input* given,
                                double* value, osteon_error* error) {
    return torch_guard(error, [&] {
      const auto& instance = *reinterpret_cast<const Instance*>(loss);
      const Call typed(call);
      const osteon_loss_input raw = known_loss_input(given, kUnderstoodBy<T>, kInsteadOf<T>);
      check_loss_input(raw, instance.request.n_classes);
      typed.stop_if_cancelled();
      const c10::InferenceMode no_inference(false);
      const at::Device device = to_torch_device(raw.logits->device);
      const compat::StreamGuard stream(device, typed.stream());
      const ThreadsGuard threads(typed.threads());
      *value = evaluate(instance, raw);
      typed.stop_if_cancelled();
    });
  }

  static double evaluate(const Instance& instance, const osteon_loss_input& raw) {
    check_loss_devices(raw);
    const TorchTarget target(raw, instance.request.multiclass);
    const bool add = (raw.flags & OSTEON_LOSS_ACCUMULATE) != 0;
    at::Tensor grad = raw.grad != nullptr ? borrow(*raw.grad, "grad") : at::Tensor();
    if (nothing_counts(raw, target)) {
      if (grad.defined() && !add) grad.zero_();
      return 0;
    }
    const c10::AutoGradMode enable(grad.defined());
    const bool has_holes = target.has_holes() || target.has_class_valid();
    // What lies under invalid pixels (NaN included) gets neither into the value nor, by 0 x NaN, into the gradient.
    at::Tensor leaf = borrow(*raw.logits, "logits").to(at::kFloat);
    if (has_holes) leaf = target.kept(leaf);
    leaf = leaf.detach().set_requires_grad(grad.defined());
    const at::Tensor value = instance.loss.forward(leaf, target);
    if (value.dim() != 0) throw Error(OSTEON_FAILED, "the loss's forward gave a tensor that is no scalar");
    if (grad.defined()) {
      // The scale goes in at the root, so that nothing on the way down is too small.
      if (value.requires_grad())
        compat::run_backward({torch::autograd::impl::gradient_edge(value)}, {at::full_like(value, raw.grad_scale)});
      at::Tensor slope = leaf.grad().defined() ? leaf.grad() : at::zeros_like(leaf);
      const c10::NoGradGuard no_grad;
      if (has_holes) slope = target.kept(slope);
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
  static_assert(kUnderstoodBy<Fused> == kUnderstoodBy<Expression>, "one loss understands the same on every device");
  struct Instance {
    typename LossLayer<Fused>::Instance fused;
    typename TorchLossLayer<Expression>::Instance expression;
  };

  static osteon_status create(const osteon_call* call, const osteon_value* const* values,
                              const osteon_loss_request* request, osteon_loss** out, osteon_error* error) {
    return guard(error, [&] {
      known(call, "the call");
      const LossRequest typed = loss_request(request);
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
    // Logits are among the first version's fields; what is wrong with the input, the layer that gets it says.
    if (raw == nullptr || raw->struct_size < kMinimumSize<osteon_loss_input> || raw->logits == nullptr ||
        raw->logits->device.type == OSTEON_DEVICE_CPU)
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
