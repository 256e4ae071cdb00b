// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include <osteon/sdk/half.hpp>
#include <osteon/sdk/tensor.hpp>

/// Single elements of tensors, which in a file need not be aligned.
namespace osteon::weights {

/// Whether elements of a dtype are converted to those of another float type.
inline bool is_float(const std::string& dtype) {
  return dtype == "F32" || dtype == "F16" || dtype == "BF16" || dtype == "F64";
}

namespace detail {
template <class T>
T unaligned(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}
}  // namespace detail

/// `dtype` is one of is_float.
inline double read_float(const std::string& dtype, const std::byte* at) {
  if (dtype == "F64") return detail::unaligned<double>(at);
  if (dtype == "F32") return static_cast<double>(detail::unaligned<float>(at));
  const auto bits = detail::unaligned<std::uint16_t>(at);
  return static_cast<double>(dtype == "F16" ? sdk::float_from_half(bits) : sdk::float_from_bfloat(bits));
}

/// Rounds to nearest. `dtype` is one of is_float.
inline void write_float(const std::string& dtype, double value, std::byte* at) {
  const auto put = [at](auto typed) { std::memcpy(at, &typed, sizeof typed); };
  if (dtype == "F64") put(value);
  if (dtype == "F32") put(static_cast<float>(value));
  if (dtype == "F16") put(sdk::half_from_float(static_cast<float>(value)));
  if (dtype == "BF16") put(sdk::bfloat_from_float(static_cast<float>(value)));
}

/// Calls `visit(index in row-major order, address)` for every element of a strided view.
template <class Visit>
void for_each_element(const osteon_tensor_view& view, Visit&& visit) {
  const std::int64_t count = sdk::element_count(view), size = view.dtype.bits / 8;
  std::vector<std::int64_t> at(static_cast<std::size_t>(view.ndim), 0);
  std::int64_t offset = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    visit(i, static_cast<std::byte*>(view.data) + offset * size);
    for (std::int32_t d = view.ndim - 1; d >= 0; --d) {
      const auto digit = static_cast<std::size_t>(d);
      offset += view.strides[d];
      if (++at[digit] < view.shape[d]) break;
      offset -= view.strides[d] * view.shape[d];
      at[digit] = 0;
    }
  }
}

}  // namespace osteon::weights
