// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <ATen/ATen.h>

#include <osteon/sdk/tensor.hpp>
#include <osteon/sdk/torch/error.hpp>

/// Tensors of LibTorch across the ABI, without a copy where the ABI's canonical form allows it.
///
/// Nothing here goes through LibTorch's own DLPack functions: on import they ignore byte_offset, end the process on a
/// negative stride and do not call the deleter when they throw, and their managed struct changed its layout in
/// DLPack 1.0.
namespace osteon::sdk {

/// The ABI's element type of LibTorch's. Throws Unsupported where there is none.
inline osteon_dtype to_dtype(at::ScalarType type) {
  switch (type) {
    case at::kBool:
      return {OSTEON_DTYPE_BOOL, 8, 1};
    case at::kByte:
      return {OSTEON_DTYPE_UINT, 8, 1};
    case at::kChar:
      return {OSTEON_DTYPE_INT, 8, 1};
    case at::kShort:
      return {OSTEON_DTYPE_INT, 16, 1};
    case at::kInt:
      return {OSTEON_DTYPE_INT, 32, 1};
    case at::kLong:
      return {OSTEON_DTYPE_INT, 64, 1};
    case at::kHalf:
      return {OSTEON_DTYPE_FLOAT, 16, 1};
    case at::kFloat:
      return {OSTEON_DTYPE_FLOAT, 32, 1};
    case at::kDouble:
      return {OSTEON_DTYPE_FLOAT, 64, 1};
    case at::kBFloat16:
      return {OSTEON_DTYPE_BFLOAT, 16, 1};
    default:
      throw Unsupported(std::string("the ABI has no element type for LibTorch's ") + at::toString(type));
  }
}

/// The inverse. Unsigned types over 8 bits do not exist in every LibTorch; planes of bits travel as int32.
inline at::ScalarType to_scalar_type(osteon_dtype type) {
  for (at::ScalarType candidate : {at::kFloat, at::kByte, at::kInt, at::kLong, at::kHalf, at::kBFloat16, at::kDouble,
                                   at::kChar, at::kShort, at::kBool})
    if (to_dtype(candidate) == type) return candidate;
  throw Unsupported("LibTorch has no element type " + to_string(type));
}

inline at::Device to_torch_device(osteon_device device) {
  if (device.type == OSTEON_DEVICE_CPU) return at::Device(at::kCPU);
  if (device.type == OSTEON_DEVICE_CUDA) return at::Device(at::kCUDA, static_cast<at::DeviceIndex>(device.id));
  throw Unsupported("device type " + std::to_string(device.type) + " is neither the CPU nor CUDA");
}

inline osteon_device to_abi_device(at::Device device) {
  if (device.is_cpu()) return {OSTEON_DEVICE_CPU, 0};
  if (device.is_cuda()) return {OSTEON_DEVICE_CUDA, device.index() < 0 ? 0 : device.index()};
  throw Unsupported("a tensor on " + device.str() + " cannot cross the ABI");
}

/// A tensor over borrowed memory: reads and writes go to the sender's. Must not outlive what it borrows. Throws
/// InvalidArgument for what is not canonical (see osteon_tensor_view); `what` names the tensor in the message.
inline at::Tensor borrow(const osteon_tensor_view& view, const char* what = "tensor") {
  const at::TensorOptions options =
      at::TensorOptions().dtype(to_scalar_type(view.dtype)).device(to_torch_device(view.device));
  expect_canonical(view, what);
  const auto ndim = static_cast<std::size_t>(view.ndim);
  const at::IntArrayRef shape(view.shape, ndim);
  if (element_count(view) == 0) return at::empty(shape, options);
  if (reinterpret_cast<std::uintptr_t>(view.data) % (view.dtype.bits / 8u) != 0)
    throw InvalidArgument(std::string(what) + " is not aligned to its elements");
  return at::from_blob(
      view.data, shape, at::IntArrayRef(view.strides, ndim), [](void*) {}, options, options.device());
}

/// A row-major tensor aligned to 64 bytes: `tensor` itself where it is one, else a copy.
inline at::Tensor canonical(const at::Tensor& tensor) {
  at::Tensor result = tensor.detach().contiguous();
  if (reinterpret_cast<std::uintptr_t>(result.data_ptr()) % 64 != 0)
    result = result.clone(at::MemoryFormat::Contiguous);
  return result;
}

/// `tensor` as memory that nobody else reads or writes, ready to be given: itself, or a copy when a graph has saved it
/// for backward (its last operation was, say, a ReLU), or when it is a view of something else, such as a borrowed
/// input. The caller must hold the only reference to `tensor`.
inline at::Tensor unshared(const at::Tensor& tensor) {
  const bool alone = tensor.use_count() == 1 && tensor.storage().use_count() == 1;
  return alone ? tensor.detach() : tensor.detach().clone(at::MemoryFormat::Contiguous);
}

/// A view of a tensor that it keeps alive, with the arrays that the view points at. Movable; `tensor` must be
/// canonical.
class TorchView {
 public:
  TorchView() = default;
  explicit TorchView(at::Tensor tensor)
      : tensor_(std::move(tensor)), shape_(tensor_.sizes().vec()), strides_(tensor_.strides().vec()) {
    view_.data = tensor_.numel() == 0 ? nullptr : tensor_.data_ptr();
    view_.device = to_abi_device(tensor_.device());
    view_.ndim = static_cast<std::int32_t>(shape_.size());
    view_.dtype = to_dtype(tensor_.scalar_type());
    view_.shape = shape_.data();
    view_.strides = strides_.data();
  }
  TorchView(TorchView&&) = default;
  TorchView& operator=(TorchView&&) = default;
  TorchView(const TorchView&) = delete;
  TorchView& operator=(const TorchView&) = delete;

  const osteon_tensor_view& view() const noexcept { return view_; }
  const at::Tensor& tensor() const noexcept { return tensor_; }
  operator const osteon_tensor_view*() const noexcept { return &view_; }

 private:
  at::Tensor tensor_;
  std::vector<std::int64_t> shape_;
  std::vector<std::int64_t> strides_;
  osteon_tensor_view view_{};
};

/// Gives `tensor` to the caller of an ABI function, who then owns it. Copies only what is not canonical: views with
/// gaps, channels-last, gradients with stride 0, slices off alignment. Its graph does not cross; the memory does, so
/// what others still read goes through unshared() first.
inline void give(const at::Tensor& tensor, osteon_tensor* out) {
  auto owner = std::make_unique<TorchView>(canonical(tensor));
  out->flags = 0;
  out->view = owner->view();
  out->release = [](osteon_tensor* self) { delete static_cast<TorchView*>(self->owner); };
  out->owner = owner.release();
}

}  // namespace osteon::sdk
