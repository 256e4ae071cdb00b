// SPDX-License-Identifier: Apache-2.0
#include "weights/state.hpp"

#include <cstring>
#include <optional>
#include <stdexcept>
#include <unordered_map>

#include "base/error.hpp"
#include "weights/float_elements.hpp"

namespace osteon::weights {
namespace {

struct TypeName {
  osteon_dtype type;
  const char* name;
};
constexpr TypeName kTypes[] = {
    {{OSTEON_DTYPE_FLOAT, 32, 1}, "F32"}, {{OSTEON_DTYPE_FLOAT, 16, 1}, "F16"}, {{OSTEON_DTYPE_BFLOAT, 16, 1}, "BF16"},
    {{OSTEON_DTYPE_FLOAT, 64, 1}, "F64"}, {{OSTEON_DTYPE_INT, 64, 1}, "I64"},   {{OSTEON_DTYPE_INT, 32, 1}, "I32"},
    {{OSTEON_DTYPE_INT, 16, 1}, "I16"},   {{OSTEON_DTYPE_INT, 8, 1}, "I8"},     {{OSTEON_DTYPE_UINT, 64, 1}, "U64"},
    {{OSTEON_DTYPE_UINT, 32, 1}, "U32"},  {{OSTEON_DTYPE_UINT, 16, 1}, "U16"},  {{OSTEON_DTYPE_UINT, 8, 1}, "U8"},
    {{OSTEON_DTYPE_BOOL, 8, 1}, "BOOL"}};

std::string dtype_name(const plugin::NamedTensor& tensor) {
  return weights::dtype_name(tensor.value->dtype, tensor.name);
}

void copy_into(const TensorData& from, const plugin::NamedTensor& to) {
  const osteon_tensor_view& view = *to.value;
  const std::string dtype = dtype_name(to);
  if (dtype == "BOOL") {
    // A file's bytes may be anything; code that was compiled for a bool expects 0 or 1.
    for_each_element(view, [&](std::int64_t i, std::byte* at) { *at = std::byte{from.data[i] != std::byte{0}}; });
    return;
  }
  if (from.dtype == dtype && sdk::is_contiguous(view)) {
    if (from.size > 0) std::memcpy(view.data, from.data, from.size);
    return;
  }
  const auto from_size = static_cast<std::int64_t>(*dtype_bits(from.dtype) / 8);
  const std::size_t to_size = view.dtype.bits / 8u;
  for_each_element(view, [&](std::int64_t i, std::byte* at) {
    const std::byte* source = from.data + i * from_size;
    if (from.dtype == dtype)
      std::memcpy(at, source, to_size);
    else
      write_float(dtype, read_float(from.dtype, source), at);
  });
}

std::string shape_text(const std::string& dtype, const std::vector<std::int64_t>& shape) {
  std::string text = dtype + " [";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

std::vector<std::int64_t> shape_of(const plugin::NamedTensor& tensor) {
  return {tensor.value->shape, tensor.value->shape + tensor.value->ndim};
}

void require_cpu(const plugin::NamedTensor& tensor) {
  if (tensor.value->device.type != OSTEON_DEVICE_CPU)
    throw std::invalid_argument("tensor '" + tensor.name + "' is not on the CPU; move the model there first");
}

/// Compares, and calls `fits(file tensor, plugin tensor)` for each pair that fits.
template <class Fits>
LoadReport compare(const std::vector<TensorData>& file, const std::vector<plugin::NamedTensor>& tensors, Fits&& fits) {
  std::unordered_map<std::string, const TensorData*> by_name;
  for (const TensorData& tensor : file) by_name.emplace(tensor.name, &tensor);
  LoadReport report;
  for (const plugin::NamedTensor& tensor : tensors) {
    require_cpu(tensor);
    const auto found = by_name.find(tensor.name);
    if (found == by_name.end()) {
      (is_counter(tensor) ? report.kept : report.missing).push_back(tensor.name);
      continue;
    }
    const TensorData& from = *found->second;
    const std::string dtype = dtype_name(tensor);
    if (from.shape != shape_of(tensor) || (from.dtype != dtype && !(is_float(from.dtype) && is_float(dtype)))) {
      report.misshapen.push_back(
          {tensor.name, shape_text(from.dtype, from.shape), shape_text(dtype, shape_of(tensor))});
    } else {
      fits(from, tensor);
      report.loaded.push_back(tensor.name);
    }
    by_name.erase(found);
  }
  for (const TensorData& tensor : file)
    if (by_name.count(tensor.name) != 0) report.unexpected.push_back(tensor.name);
  return report;
}

}  // namespace

std::string dtype_name(osteon_dtype type, const std::string& tensor) {
  for (const TypeName& known : kTypes)
    if (known.type == type) return known.name;
  throw std::invalid_argument("tensor '" + tensor + "' is " + sdk::to_string(type) +
                              ", for which safetensors has no dtype");
}

bool is_counter(const plugin::NamedTensor& tensor) {
  return !tensor.parameter && tensor.value->ndim == 0 && tensor.value->dtype.code == OSTEON_DTYPE_INT;
}

LoadReport compare_state(const std::vector<TensorData>& file, const std::vector<plugin::NamedTensor>& tensors) {
  return compare(file, tensors, [](const TensorData&, const plugin::NamedTensor&) {});
}

LoadReport load_matching_state(const std::vector<TensorData>& file, const std::vector<plugin::NamedTensor>& tensors) {
  return compare(file, tensors, copy_into);
}

void load_state(const std::vector<TensorData>& file, const std::vector<plugin::NamedTensor>& tensors,
                const std::string& where) {
  const LoadReport report = compare_state(file, tensors);
  if (!report.complete()) throw Error(ExitCode::kData, "the weights do not fit the model\n" + report.text(), where);
  load_matching_state(file, tensors);
}

CollectedState collect_state(const std::vector<plugin::NamedTensor>& tensors) {
  CollectedState state;
  for (const plugin::NamedTensor& tensor : tensors) {
    require_cpu(tensor);
    const osteon_tensor_view& view = *tensor.value;
    const std::uint64_t element = view.dtype.bits / 8u;
    const std::uint64_t size = static_cast<std::uint64_t>(sdk::element_count(view)) * element;
    const auto* data = static_cast<const std::byte*>(view.data);
    if (!sdk::is_contiguous(view)) {
      std::vector<std::byte>& packed = state.packed.emplace_back(size);
      for_each_element(view, [&](std::int64_t i, const std::byte* at) {
        std::memcpy(packed.data() + static_cast<std::uint64_t>(i) * element, at, element);
      });
      data = packed.data();
    }
    state.tensors.push_back({tensor.name, dtype_name(tensor), shape_of(tensor), data, size});
  }
  return state;
}

}  // namespace osteon::weights
