// SPDX-License-Identifier: Apache-2.0
#include "plugin/handle_support.hpp"

#include <algorithm>

#include <osteon/sdk/tensor.hpp>

namespace osteon::plugin {

void check_owned(const LoadedComponent& component, const char* call, const osteon_tensor& tensor,
                 const std::vector<std::int64_t>& shape, const std::vector<osteon_dtype>& dtypes,
                 osteon_device device) {
  if (tensor.release == nullptr) misbehaved(component, call, "returned OK without giving a tensor");
  const osteon_tensor_view& view = tensor.view;
  check_canonical(component, call, view, "its tensor");
  bool fits = view.ndim == static_cast<std::int32_t>(shape.size());
  for (std::size_t i = 0; fits && i < shape.size(); ++i) fits = shape[i] < 0 || view.shape[i] == shape[i];
  if (!fits) {
    std::string expected = "[";
    for (std::size_t i = 0; i < shape.size(); ++i)
      expected += (i ? ", " : "") + (shape[i] < 0 ? std::string("any") : std::to_string(shape[i]));
    misbehaved(component, call,
               "gave a tensor of shape " + sdk::shape_text(view) + " where " + expected + "] was promised");
  }
  const bool known = dtypes.empty() ||
                     std::any_of(dtypes.begin(), dtypes.end(), [&](osteon_dtype type) { return type == view.dtype; });
  if (!known) misbehaved(component, call, "gave a tensor of " + sdk::to_string(view.dtype));
  if (view.device.type != device.type || view.device.id != device.id)
    misbehaved(component, call, "gave a tensor that is not on the device of the call");
}

void check_canonical(const LoadedComponent& component, const char* call, const osteon_tensor_view& view,
                     const std::string& what) {
  try {
    sdk::expect_canonical(view, what.c_str());
  } catch (const sdk::Error& e) {
    misbehaved(component, call, e.what());
  }
}

std::vector<osteon_named_tensor> named_tensors(const LoadedComponent& component, std::uint64_t count,
                                               const osteon_named_tensor* const* list) {
  if (count > 0 && list == nullptr) misbehaved(component, "tensors", "gave a list that is null");
  std::vector<osteon_named_tensor> tensors;
  for (std::uint64_t i = 0; i < count; ++i) {
    const osteon_named_tensor tensor = known_of(component, "tensors", list[i], "a named tensor");
    if (tensor.name == nullptr || (tensor.role != OSTEON_TENSOR_PARAMETER && tensor.role != OSTEON_TENSOR_BUFFER))
      misbehaved(component, "tensors", "tensor " + std::to_string(i) + " has no name or an unknown role");
    const std::string name = std::string("'") + tensor.name + "'";
    check_canonical(component, "tensors", tensor.value, "the value of " + name);
    if (tensor.grad.data != nullptr) {
      check_canonical(component, "tensors", tensor.grad, "the gradient of " + name);
      if (tensor.grad.dtype != sdk::dtype_of<float>() || tensor.grad.ndim != tensor.value.ndim ||
          !std::equal(tensor.grad.shape, tensor.grad.shape + tensor.grad.ndim, tensor.value.shape))
        misbehaved(component, "tensors", name + " has a gradient that is not float32 of its own shape");
    }
    tensors.push_back(tensor);
  }
  return tensors;
}

}  // namespace osteon::plugin
