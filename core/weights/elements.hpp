// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

#include <osteon/sdk/half.hpp>

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

}  // namespace osteon::weights
