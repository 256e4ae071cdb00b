// SPDX-License-Identifier: Apache-2.0
#include "plugin/handle_support.hpp"

#include <algorithm>

#include <osteon/sdk/tensor.hpp>

namespace osteon::plugin {

void check_owned(const LoadedComponent& component, const char* call, const osteon_tensor& tensor,
                 const std::vector<std::int64_t>& shape, const std::vector<osteon_dtype>& dtypes) {
  if (tensor.release == nullptr) misbehaved(component, call, "returned OK without giving a tensor");
  const osteon_tensor_view& view = tensor.view;
  if (view.ndim > 0 && (view.shape == nullptr || view.strides == nullptr))
    misbehaved(component, call, "gave a tensor without shape or strides");
  bool fits = view.ndim == static_cast<std::int32_t>(shape.size());
  for (std::size_t i = 0; fits && i < shape.size(); ++i) fits = view.shape[i] == shape[i];
  if (!fits) {
    std::string expected = "[";
    for (std::size_t i = 0; i < shape.size(); ++i) expected += (i ? ", " : "") + std::to_string(shape[i]);
    misbehaved(component, call, "gave a tensor of shape " + sdk::shape_text(view) + " where " + expected + "] was promised");
  }
  const bool known = dtypes.empty() || std::any_of(dtypes.begin(), dtypes.end(),
                                                   [&](osteon_dtype type) { return type == view.dtype; });
  if (!known) misbehaved(component, call, "gave a tensor of " + sdk::to_string(view.dtype));
  if (view.byte_offset != 0) misbehaved(component, call, "gave a tensor with a byte offset");
  if (view.data == nullptr && sdk::element_count(view) > 0) misbehaved(component, call, "gave a tensor without memory");
  for (std::int32_t i = 0; i < view.ndim; ++i)
    if (view.strides[i] < 0) misbehaved(component, call, "gave a tensor with a negative stride");
}

}  // namespace osteon::plugin
