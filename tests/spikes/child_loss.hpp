// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include <osteon/abi/loss.h>
#include <osteon/sdk/tensor.hpp>

#include "plugin/call.hpp"
#include "support/linked_plugin.hpp"

// What parent and child of the spike agree on.
namespace osteon::spikes {

/// At the beginning of a shared mapping that both have: what of an osteon_call can be shared, and marks for the test.
struct Control {
  std::atomic<bool> cancel;         ///< set by the parent: its call was cancelled
  std::atomic<std::int64_t> looks;  ///< how often the loss asked
  std::int64_t wait_at;             ///< at this look the child waits until it is cancelled; 0: never
  std::int64_t crash_at;            ///< at this look the child dies, in the middle of the plugin; 0: never
  std::int64_t shape[4];            ///< of the logits
  double grad_scale;
};
static_assert(std::atomic<bool>::is_always_lock_free && std::atomic<std::int64_t>::is_always_lock_free,
              "what is not free of locks does not work across processes");

/// What the loss gave.
struct Evaluation {
  osteon_status status = OSTEON_FAILED;
  double value = 0;
};

/// Evaluates the linked loss, a plugin in plain C, with its defaults. The same in both processes.
inline Evaluation evaluate(const osteon_call* call, const Control& control, void* logits, void* target, void* grad) {
  const std::int64_t *s = control.shape, planes = (s[1] + 31) / 32;
  const sdk::BorrowedTensor x(static_cast<float*>(logits), {s[0], s[1], s[2], s[3]});
  const sdk::BorrowedTensor t(static_cast<std::int32_t*>(target), {s[0], planes, s[2], s[3]});
  const sdk::BorrowedTensor g(static_cast<float*>(grad), {s[0], s[1], s[2], s[3]});
  auto input = sdk::sized<osteon_loss_input>();
  input.logits = &x.view();
  input.target = &t.view();
  input.grad = &g.view();
  input.grad_scale = control.grad_scale;

  const plugin::LoadedComponent component = test::linked_component(plugin::Kind::kLoss, "tversky_c");
  const auto api = component.api<osteon_loss_api>();
  const std::vector<std::string> names(static_cast<std::size_t>(s[1]), "class");
  const plugin::ValueArray values(component.schema, test::parameters_of(component), {false, names, {}});
  std::vector<const char*> pointers;
  for (const std::string& name : names) pointers.push_back(name.c_str());
  auto request = sdk::sized<osteon_loss_request>();
  request.labels = OSTEON_LABELS_MULTILABEL;
  request.n_classes = s[1];
  request.class_names = pointers.data();
  osteon_loss* loss = nullptr;
  Evaluation result;
  result.status = api.create(call, values.get(), &request, &loss, nullptr);
  if (result.status == OSTEON_OK) result.status = api.evaluate(call, loss, &input, &result.value, nullptr);
  api.destroy(loss);
  return result;
}

}  // namespace osteon::spikes
