// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include <osteon/abi/entry.h>
#include <osteon/abi/loss.h>
#include <osteon/sdk/call.hpp>
#include <osteon/sdk/loss_input.hpp>
#include <osteon/sdk/plugin.hpp>

/// Losses as fused kernels over logits and bit planes, without LibTorch. A loss that is one torch expression:
/// <osteon/sdk/torch/loss.hpp>.
///
///     class MyLoss {
///      public:
///       struct Params { ... static void schema(Schema<Params>&); };
///       static constexpr std::uint32_t kUnderstands = OSTEON_LOSS_PIXEL_WEIGHT;  // what else the data may say; below
///       MyLoss(const Params&, const LossRequest&);                       // throws for what does not go together
///       double evaluate(const Call&, const LossInput&) const;            // the value; stores the gradient
///     };
///     OSTEON_PLUGIN("my_loss", "1.0.0", osteon::sdk::loss<MyLoss>({"my_loss", "1.0.0", "...", "arXiv:..."}))
///
/// `kUnderstands` lists what the class does with data that says more than bits and valid pixels:
/// OSTEON_LOSS_PIXEL_WEIGHT, OSTEON_LOSS_CLASS_VALID, OSTEON_LOSS_SOFT_TARGET. Without it, it understands none of them,
/// and the layer refuses such input before `evaluate` is called: a loss that never heard of a weight would give a wrong
/// gradient in silence. `static constexpr const char* kInstead` ends that sentence with what to use instead.
namespace osteon::sdk {
namespace detail {

/// The ABI's functions over a loss class T.
template <class T>
struct LossLayer {
  struct Instance {
    LossRequest request;
    T loss;
  };

  static osteon_status create(const osteon_call* call, const osteon_value* const* values,
                              const osteon_loss_request* request, osteon_loss** out, osteon_error* error) {
    return guard(error, [&] {
      known(call, "the call");
      const LossRequest typed = loss_request(request);
      *out =
          reinterpret_cast<osteon_loss*>(new Instance{typed, T(schema_of<typename T::Params>().read(values), typed)});
    });
  }

  static void destroy(osteon_loss* loss) { delete reinterpret_cast<Instance*>(loss); }

  static osteon_status evaluate(const osteon_call* call, osteon_loss* loss, const osteon_loss_input* raw, double* value,
                                osteon_error* error) {
    return guard(error, [&] {
      const auto& instance = *reinterpret_cast<const Instance*>(loss);
      const Call typed(call);
      const LossInput input(known_loss_input(raw, kUnderstoodBy<T>, kInsteadOf<T>), instance.request.n_classes);
      if (input.anything_counts()) {
        *value = instance.loss.evaluate(typed, input);
      } else {
        input.store_zero_gradient();
        *value = 0;
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
