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
  if (view.ndim > 0 && (view.shape == nullptr || view.strides == nullptr))
    misbehaved(component, call, "gave a tensor without shape or strides");
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
  if (view.byte_offset != 0) misbehaved(component, call, "gave a tensor with a byte offset");
  if (view.data == nullptr && sdk::element_count(view) > 0) misbehaved(component, call, "gave a tensor without memory");
  for (std::int32_t i = 0; i < view.ndim; ++i)
    if (view.strides[i] < 0) misbehaved(component, call, "gave a tensor with a negative stride");
}

void check_named(const LoadedComponent& component, std::uint64_t count, const osteon_named_tensor* const* list) {
  if (count > 0 && list == nullptr) misbehaved(component, "tensors", "gave a list that is null");
  for (std::uint64_t i = 0; i < count; ++i) {
    const osteon_named_tensor* tensor = list[i];
    if (tensor == nullptr || tensor->name == nullptr ||
        (tensor->role != OSTEON_TENSOR_PARAMETER && tensor->role != OSTEON_TENSOR_BUFFER))
      misbehaved(component, "tensors", "tensor " + std::to_string(i) + " has no name or an unknown role");
    const osteon_tensor_view& value = tensor->value;
    if (value.ndim < 0 || (value.ndim > 0 && (value.shape == nullptr || value.strides == nullptr)))
      misbehaved(component, "tensors", "'" + std::string(tensor->name) + "' has no shape or strides");
    if (value.data == nullptr && sdk::element_count(value) > 0)
      misbehaved(component, "tensors", "'" + std::string(tensor->name) + "' has no memory");
  }
}

}  // namespace osteon::plugin
