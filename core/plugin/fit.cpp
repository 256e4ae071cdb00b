// SPDX-License-Identifier: Apache-2.0
#include "plugin/fit.hpp"

#include "plugin/handle_support.hpp"

namespace osteon::plugin {
namespace {

osteon_fit functions_of(const LoadedComponent& component) {
  const auto* given = component.extension<osteon_fit>(OSTEON_EXTENSION_FIT);
  if (given == nullptr) misbehaved(component, "info", "says that it fits, and has no " OSTEON_EXTENSION_FIT);
  const osteon_fit functions = known_of(component, "extension", given, OSTEON_EXTENSION_FIT);
  if (functions.tensors == nullptr || functions.begin == nullptr || functions.add == nullptr ||
      functions.end == nullptr || functions.changed == nullptr)
    misbehaved(component, "extension", "lacks a function of " OSTEON_EXTENSION_FIT);
  return functions;
}

}  // namespace

Fit::Fit(const LoadedComponent& component, void* instance)
    : component_(component), instance_(instance), functions_(functions_of(component)) {}

std::vector<NamedTensor> Fit::tensors(const Call& call) {
  std::uint64_t count = 0;
  const osteon_named_tensor* const* list = nullptr;
  check_call(
      component_, "tensors",
      [&](osteon_error* error) { return functions_.tensors(call.raw(), instance_, &count, &list, error); }, call.raw());
  named_ = named_tensors(component_, count, list);
  std::vector<NamedTensor> tensors;
  for (const osteon_named_tensor& named : named_) {
    NamedTensor tensor;
    tensor.name = named.name;
    tensor.value = &named.value;
    tensors.push_back(tensor);
  }
  return tensors;
}

void Fit::changed() {
  functions_.changed(instance_);
  ready_ = true;
}

void Fit::begin(const Call& call, std::int64_t n_members, const osteon_tensor_view* dice) {
  ready_ = false;
  auto request = sdk::sized<osteon_fit_request>();
  request.n_members = n_members;
  request.dice = dice;
  check_call(
      component_, "fit begin",
      [&](osteon_error* error) { return functions_.begin(call.raw(), instance_, &request, error); }, call.raw());
}

void Fit::add(const Call& call, const osteon_fit_sample& sample) {
  check_call(
      component_, "fit add", [&](osteon_error* error) { return functions_.add(call.raw(), instance_, &sample, error); },
      call.raw());
}

bool Fit::end(const Call& call) {
  std::int32_t again = 0;
  check_call(
      component_, "fit end", [&](osteon_error* error) { return functions_.end(call.raw(), instance_, &again, error); },
      call.raw());
  ready_ = again == 0;
  return again != 0;
}

}  // namespace osteon::plugin
