// SPDX-License-Identifier: Apache-2.0
#include "weights/finite_tensors.hpp"

#include <array>
#include <cmath>
#include <cstdint>
#include <unordered_map>

#include <fmt/format.h>

#include "base/error.hpp"
#include "weights/float_elements.hpp"
#include "weights/state.hpp"

namespace osteon::weights {
namespace {

constexpr std::size_t kNamed = 5;  // tensors in a message

/// An element is not finite when all bits of its exponent are set.
template <class Bits>
bool any_exponent_full(const TensorData& tensor, Bits exponent) {
  const std::uint64_t count = tensor.size / sizeof(Bits);
  Bits full = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    const Bits bits = detail::unaligned<Bits>(tensor.data + i * sizeof(Bits));
    full |= static_cast<Bits>((bits & exponent) == exponent);
  }
  return full != 0;
}

/// Whether any value of the file's own type is not finite, fast.
bool has_not_finite(const TensorData& tensor) {
  if (tensor.dtype == "F32") return any_exponent_full<std::uint32_t>(tensor, 0x7f800000);
  if (tensor.dtype == "F64") return any_exponent_full<std::uint64_t>(tensor, 0x7ff0000000000000);
  return any_exponent_full<std::uint16_t>(tensor, tensor.dtype == "F16" ? 0x7c00 : 0x7f80);
}

/// As a place of another type has it.
double converted(double value, const std::string& dtype) {
  std::array<std::byte, sizeof(double)> bytes;
  write_float(dtype, value, bytes.data());
  return read_float(dtype, bytes.data());
}

/// How many values a place would have that are neither finite nor what it has begun with.
std::uint64_t count_not_finite(const TensorData& tensor, const plugin::NamedTensor& place, const std::string& dtype) {
  const std::uint64_t element = *dtype_bits(tensor.dtype) / 8;
  std::uint64_t count = 0;
  for_each_element(*place.value, [&](std::int64_t i, const std::byte* at) {
    const double value =
        converted(read_float(tensor.dtype, tensor.data + static_cast<std::uint64_t>(i) * element), dtype);
    if (std::isfinite(value)) return;
    const double begun = read_float(dtype, at);
    const bool same = value == begun || (std::isnan(value) && std::isnan(begun));
    if (place.parameter || !same) ++count;
  });
  return count;
}

}  // namespace

void expect_finite(const std::vector<TensorData>& file, const std::vector<plugin::NamedTensor>& places,
                   const std::string& where) {
  std::unordered_map<std::string, const plugin::NamedTensor*> by_name;
  for (const plugin::NamedTensor& place : places) by_name.emplace(place.name, &place);
  std::string list;
  std::size_t found = 0;
  for (const TensorData& tensor : file) {
    if (!is_float(tensor.dtype)) continue;
    const plugin::NamedTensor& place = *by_name.at(tensor.name);
    const std::string dtype = dtype_name(place.value->dtype, tensor.name);
    if (tensor.dtype == dtype && !has_not_finite(tensor)) continue;
    const std::uint64_t count = count_not_finite(tensor, place, dtype);
    if (count > 0 && ++found <= kNamed)
      list += fmt::format("{}{} ({} of {} values)", list.empty() ? "" : ", ", tensor.name, count,
                          sdk::element_count(*place.value));
  }
  if (found > kNamed) list += fmt::format(", and {} more", found - kNamed);
  if (found > 0)
    throw Error(
        ExitCode::kData,
        fmt::format("weights that are not finite, with which nothing can be predicted, in {} tensor{}: {}. Was the "
                    "file saved after its training had diverged, or in a type too narrow for it?",
                    found, found == 1 ? "" : "s", list),
        where);
}

}  // namespace osteon::weights
