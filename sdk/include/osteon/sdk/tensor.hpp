// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <osteon/abi/tensor.h>
#include <osteon/sdk/error.hpp>

// Beside the struct, in the global namespace, so that they are found wherever it is used.
constexpr bool operator==(osteon_dtype a, osteon_dtype b) noexcept {
  return a.code == b.code && a.bits == b.bits && a.lanes == b.lanes;
}
constexpr bool operator!=(osteon_dtype a, osteon_dtype b) noexcept { return !(a == b); }

namespace osteon::sdk {

/// The ABI's element type of a C++ type.
template <class T>
constexpr osteon_dtype dtype_of() {
  static_assert(std::is_arithmetic_v<T>, "no element type of the ABI");
  constexpr std::uint8_t code = std::is_same_v<T, bool>       ? OSTEON_DTYPE_BOOL
                                : std::is_floating_point_v<T> ? OSTEON_DTYPE_FLOAT
                                : std::is_signed_v<T>         ? OSTEON_DTYPE_INT
                                                              : OSTEON_DTYPE_UINT;
  return {code, static_cast<std::uint8_t>(sizeof(T) * 8), 1};
}

/// "float32", "int32", "uint8", "bfloat16", "bool", ...
inline std::string to_string(osteon_dtype type) {
  if (type == dtype_of<bool>()) return "bool";
  static const char* const kNames[] = {"int", "uint", "float", "opaque", "bfloat"};
  std::string name = type.code < 5 ? kNames[type.code] : "type" + std::to_string(type.code) + "_";
  name += std::to_string(type.bits);
  return type.lanes == 1 ? name : name + "x" + std::to_string(type.lanes);
}

/// "[2, 29, 512, 512]".
inline std::string shape_text(const osteon_tensor_view& view) {
  std::string text = "[";
  for (std::int32_t i = 0; i < view.ndim; ++i) text += (i ? ", " : "") + std::to_string(view.shape[i]);
  return text + "]";
}

inline std::int64_t element_count(const osteon_tensor_view& view) {
  std::int64_t count = 1;
  for (std::int32_t i = 0; i < view.ndim; ++i) count *= view.shape[i];
  return count;
}

/// Whether elements lie row-major without gaps. Strides of dimensions of size 1 do not matter, nor any where there are
/// no elements.
inline bool is_contiguous(const osteon_tensor_view& view) {
  if (element_count(view) == 0) return true;
  std::int64_t expected = 1;
  for (std::int32_t i = view.ndim - 1; i >= 0; --i) {
    if (view.shape[i] != 1 && view.strides[i] != expected) return false;
    expected *= view.shape[i];
  }
  return true;
}

/// Throws InvalidArgument unless `view` is in the canonical form of osteon_tensor_view; `what` names it in the message.
inline void expect_canonical(const osteon_tensor_view& view, const char* what) {
  const auto refuse = [what](const char* why) { throw InvalidArgument(std::string(what) + " " + why); };
  if (view.ndim < 0 || (view.ndim > 0 && view.shape == nullptr)) refuse("has no shape");
  if (view.ndim > 0 && view.strides == nullptr) refuse("has no strides; a canonical view always has them");
  if (view.byte_offset != 0) refuse("has a byte offset; a canonical view has none");
  for (std::int32_t i = 0; i < view.ndim; ++i) {
    if (view.shape[i] < 0) refuse("has a negative size");
    if (view.strides[i] < 0) refuse("has a negative stride; copy it before it crosses");
  }
  if (!is_contiguous(view)) refuse("is not contiguous; copy it before it crosses");
  if (view.data == nullptr && element_count(view) > 0) refuse("has no data");
}

/// The elements of a contiguous view on the CPU. Throws when it is of another type, elsewhere, or has gaps; `what`
/// names it in the message.
template <class T>
T* data_of(const osteon_tensor_view& view, const char* what) {
  if (view.dtype != dtype_of<std::remove_const_t<T>>())
    throw Unsupported(std::string(what) + " is " + to_string(view.dtype) + ", not " +
                      to_string(dtype_of<std::remove_const_t<T>>()));
  if (view.device.type != OSTEON_DEVICE_CPU) throw Unsupported(std::string(what) + " is not on the CPU");
  if (view.byte_offset != 0) throw InvalidArgument(std::string(what) + " has a byte offset");
  if (!is_contiguous(view)) throw InvalidArgument(std::string(what) + " is not contiguous");
  return static_cast<T*>(view.data);
}

/// Throws unless `view` has this shape; -1 stands for any size.
inline void expect_shape(const osteon_tensor_view& view, const std::vector<std::int64_t>& shape, const char* what) {
  bool fits = view.ndim == static_cast<std::int32_t>(shape.size());
  for (std::size_t i = 0; fits && i < shape.size(); ++i) fits = shape[i] < 0 || view.shape[i] == shape[i];
  if (fits) return;
  std::string expected = "[";
  for (std::size_t i = 0; i < shape.size(); ++i)
    expected += (i ? ", " : "") + (shape[i] < 0 ? std::string("any") : std::to_string(shape[i]));
  throw InvalidArgument(std::string(what) + " has shape " + shape_text(view) + ", expected " + expected + "]");
}

/// An owned tensor; gives its memory back when it dies.
class OwnedTensor {
 public:
  OwnedTensor() noexcept { reset_fields(); }
  explicit OwnedTensor(const osteon_tensor& tensor) noexcept : tensor_(tensor) {}
  OwnedTensor(OwnedTensor&& other) noexcept : tensor_(other.tensor_) { other.reset_fields(); }
  OwnedTensor& operator=(OwnedTensor&& other) noexcept {
    if (this != &other) {
      reset();
      tensor_ = other.tensor_;
      other.reset_fields();
    }
    return *this;
  }
  OwnedTensor(const OwnedTensor&) = delete;
  OwnedTensor& operator=(const OwnedTensor&) = delete;
  ~OwnedTensor() { reset(); }

  bool empty() const noexcept { return tensor_.release == nullptr; }
  const osteon_tensor_view& view() const noexcept { return tensor_.view; }

  template <class T>
  T* data(const char* what = "tensor") const {
    return data_of<T>(tensor_.view, what);
  }

  /// An out-argument for a function of the ABI: prepared, and owned by this object when the function succeeds.
  osteon_tensor* out() noexcept {
    reset();
    return &tensor_;
  }

  /// Hands the tensor to the caller of an ABI function.
  void move_to(osteon_tensor* out) noexcept {
    const std::uint32_t size = out->struct_size;
    *out = tensor_;
    out->struct_size = size;
    reset_fields();
  }

  void reset() noexcept {
    if (tensor_.release != nullptr) tensor_.release(&tensor_);
    reset_fields();
  }

 private:
  void reset_fields() noexcept {
    tensor_ = osteon_tensor{};
    tensor_.struct_size = sizeof tensor_;
  }
  osteon_tensor tensor_;
};

/// A view of contiguous memory on the CPU, with the arrays that it points at. Movable: the arrays live on the heap.
class BorrowedTensor {
 public:
  template <class T>
  BorrowedTensor(T* data, std::vector<std::int64_t> shape)
      : BorrowedTensor(const_cast<std::remove_const_t<T>*>(data), dtype_of<std::remove_const_t<T>>(),
                       std::move(shape)) {}

  BorrowedTensor(void* data, osteon_dtype type, std::vector<std::int64_t> shape)
      : shape_(std::move(shape)), strides_(shape_.size()) {
    std::int64_t stride = 1;
    for (std::size_t i = shape_.size(); i-- > 0;) {
      strides_[i] = stride;
      stride *= shape_[i] > 0 ? shape_[i] : 1;
    }
    view_ = {data, {OSTEON_DEVICE_CPU, 0}, static_cast<std::int32_t>(shape_.size()),
             type, shape_.data(),          strides_.data(),
             0};
  }
  BorrowedTensor(BorrowedTensor&&) = default;
  BorrowedTensor& operator=(BorrowedTensor&&) = default;
  BorrowedTensor(const BorrowedTensor&) = delete;
  BorrowedTensor& operator=(const BorrowedTensor&) = delete;

  const osteon_tensor_view& view() const noexcept { return view_; }
  operator const osteon_tensor_view*() const noexcept { return &view_; }

 private:
  std::vector<std::int64_t> shape_;
  std::vector<std::int64_t> strides_;
  osteon_tensor_view view_;
};

}  // namespace osteon::sdk
