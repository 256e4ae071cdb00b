// SPDX-License-Identifier: Apache-2.0
#pragma once

/// The one header that knows how versions of LibTorch differ; 1.13 (Debian 12) to 2.x. All else is written against it.

#include <cmath>
#include <cstring>
#include <mutex>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include <ATen/ATen.h>
#include <ATen/autocast_mode.h>
#include <c10/core/Allocator.h>
#include <c10/util/Exception.h>
#include <torch/csrc/autograd/edge.h>
#include <torch/csrc/autograd/engine.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/variable.h>
#include <torch/version.h>

// Debian's CPU build ships CUDA's headers too, so their presence says nothing: the build defines this one.
#if defined(OSTEON_TORCH_CUDA)
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#endif

#include <osteon/abi/version.h>

/// Whether the LibTorch that is compiled against is at least this one.
#define OSTEON_TORCH_AT_LEAST(major, minor) \
  (TORCH_VERSION_MAJOR > (major) || (TORCH_VERSION_MAJOR == (major) && TORCH_VERSION_MINOR >= (minor)))

namespace osteon::sdk::compat {

/// The alternative of a variant of LibTorch's, as std::get_if.
#if OSTEON_TORCH_AT_LEAST(2, 1)
using std::get_if;
#else
using c10::get_if;
#endif

/// What a failure of LibTorch means at the ABI. The CPU's allocator has no type of its own, only a text.
inline osteon_status status_of(const c10::Error& error) {
  const char* text = error.what_without_backtrace();
  if (std::strstr(text, "DefaultCPUAllocator") != nullptr) return OSTEON_OUT_OF_MEMORY;
  if (dynamic_cast<const c10::OutOfMemoryError*>(&error) != nullptr ||
      std::strstr(text, "CUDA out of memory") != nullptr)
    return OSTEON_OUT_OF_DEVICE_MEMORY;
  if (dynamic_cast<const c10::NotImplementedError*>(&error) != nullptr) return OSTEON_UNSUPPORTED;
  return OSTEON_FAILED;
}

/// An allocator for c10::SetCPUAllocator(). Which of these functions override one of LibTorch's depends on its version.
class CpuAllocator : public c10::Allocator {
 public:
  virtual c10::DataPtr take(std::size_t bytes) const = 0;
  c10::DataPtr allocate(std::size_t bytes) const { return take(bytes); }  // before 2.3
  c10::DataPtr allocate(std::size_t bytes) { return take(bytes); }
  void copy_data(void* to, const void* from, std::size_t bytes) const { std::memcpy(to, from, bytes); }
};

/// Mixed precision on one kind of device, as torch.autocast does it; ends with the scope. One thread's.
class AutocastGuard {
 public:
  AutocastGuard(at::DeviceType device, at::ScalarType type) : device_(device), enabled_(enabled()), type_(dtype()) {
    set(true, type);
    at::autocast::increment_nesting();
  }
  ~AutocastGuard() {
    // The cache holds low-precision copies of weights, which the optimizer is about to change.
    if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
    set(enabled_, type_);
  }
  AutocastGuard(const AutocastGuard&) = delete;
  AutocastGuard& operator=(const AutocastGuard&) = delete;

 private:
#if OSTEON_TORCH_AT_LEAST(2, 4)
  bool enabled() const { return at::autocast::is_autocast_enabled(device_); }
  at::ScalarType dtype() const { return at::autocast::get_autocast_dtype(device_); }
  void set(bool on, at::ScalarType type) {
    at::autocast::set_autocast_enabled(device_, on);
    at::autocast::set_autocast_dtype(device_, type);
  }
#else
  bool enabled() const { return device_ == at::kCPU ? at::autocast::is_cpu_enabled() : at::autocast::is_enabled(); }
  at::ScalarType dtype() const {
    return device_ == at::kCPU ? at::autocast::get_autocast_cpu_dtype() : at::autocast::get_autocast_gpu_dtype();
  }
  void set(bool on, at::ScalarType type) {
    if (device_ == at::kCPU) {
      at::autocast::set_cpu_enabled(on);
      at::autocast::set_autocast_cpu_dtype(type);
    } else {
      at::autocast::set_enabled(on);
      at::autocast::set_autocast_gpu_dtype(type);
    }
  }
#endif
  at::DeviceType device_;
  bool enabled_;
  at::ScalarType type_;
};

/// The type that autocast computes in on one kind of device, on this thread; nothing where it is off.
inline std::optional<at::ScalarType> autocast_type(at::DeviceType device) {
#if OSTEON_TORCH_AT_LEAST(2, 4)
  if (!at::autocast::is_autocast_enabled(device)) return std::nullopt;
  return at::autocast::get_autocast_dtype(device);
#else
  if (device == at::kCPU)
    return at::autocast::is_cpu_enabled() ? std::optional(at::autocast::get_autocast_cpu_dtype()) : std::nullopt;
  return at::autocast::is_enabled() ? std::optional(at::autocast::get_autocast_gpu_dtype()) : std::nullopt;
#endif
}

/// Makes `stream` (a cudaStream_t, on CUDA) the current one of this thread until the scope ends.
class StreamGuard {
 public:
#if defined(OSTEON_TORCH_CUDA)
  StreamGuard(at::Device device, void* stream) {
    if (!device.is_cuda()) return;
    guard_.reset_stream(c10::cuda::getStreamFromExternal(static_cast<cudaStream_t>(stream), device.index()));
  }

 private:
  c10::cuda::OptionalCUDAStreamGuard guard_;
#else
  // Without CUDA no tensor and no model gets to an accelerator; there is nothing to order.
  StreamGuard(at::Device, void*) {}
#endif
};

/// What this thread's work on `device` is queued on: a cudaStream_t; NULL on the CPU.
inline void* current_stream([[maybe_unused]] at::Device device) {
#if defined(OSTEON_TORCH_CUDA)
  if (device.is_cuda()) return c10::cuda::getCurrentCUDAStream(device.index()).stream();
#endif
  return nullptr;
}

/// Whether convolutions and matrix products of float32 may round their inputs to TensorFloat-32 on CUDA: 10 bits of
/// mantissa for several times the speed. The process's; LibTorch begins with convolutions that do.
inline void allow_tf32(bool allowed) {
  at::globalContext().setAllowTF32CuDNN(allowed);
  at::globalContext().setAllowTF32CuBLAS(allowed);
}

/// Allows TensorFloat-32 until the scope ends. Of scopes that overlap, on whatever threads, the last one to end puts
/// back what the first one found. Float32 that runs beside them on CUDA is rounded as well, for the setting is the
/// process's.
class Tf32Guard {
 public:
  Tf32Guard() {
    State& s = state();
    const std::lock_guard<std::mutex> lock(s.mutex);
    if (s.scopes++ > 0) return;
    s.convolutions = at::globalContext().allowTF32CuDNN();
    s.products = at::globalContext().allowTF32CuBLAS();
    allow_tf32(true);
  }
  ~Tf32Guard() {
    State& s = state();
    const std::lock_guard<std::mutex> lock(s.mutex);
    if (--s.scopes > 0) return;
    at::globalContext().setAllowTF32CuDNN(s.convolutions);
    at::globalContext().setAllowTF32CuBLAS(s.products);
  }
  Tf32Guard(const Tf32Guard&) = delete;
  Tf32Guard& operator=(const Tf32Guard&) = delete;

 private:
  struct State {
    std::mutex mutex;
    int scopes = 0;
    bool convolutions = false, products = false;
  };
  static State& state() {
    static State one;
    return one;
  }
};

/// softmax(q k^T / sqrt(d)) v by a kernel that never holds the L x M matrix whole, in LibTorch on CUDA since 2.0; an
/// undefined tensor where there is none.
/// @param q  [N, heads, L, d]; @param k, v  [N, heads, M, d]
inline at::Tensor fused_attention([[maybe_unused]] const at::Tensor& q, [[maybe_unused]] const at::Tensor& k,
                                  [[maybe_unused]] const at::Tensor& v) {
#if OSTEON_TORCH_AT_LEAST(2, 0)
  if (q.is_cuda()) return at::scaled_dot_product_attention(q, k, v);
#endif
  return {};
}

/// The key under which an optimizer keeps the state of a parameter: text in LibTorch 1, the tensor's address since 2.
inline auto optimizer_key(const at::Tensor& parameter) {
#if OSTEON_TORCH_AT_LEAST(2, 0)
  return static_cast<void*>(parameter.unsafeGetTensorImpl());
#else
  return c10::guts::to_string(parameter.unsafeGetTensorImpl());
#endif
}

/// What holds a node of the graph: a shared pointer, since LibTorch 2.13 an intrusive one.
using NodePointer = decltype(torch::autograd::Edge::function);

/// A new node, ended as LibTorch ends its own: without a recursion through the graph.
template <class Node, class... Arguments>
NodePointer make_node(Arguments&&... arguments) {
#if OSTEON_TORCH_AT_LEAST(2, 13)
  return c10::make_intrusive<Node>(std::forward<Arguments>(arguments)...);
#else
  return NodePointer(new Node(std::forward<Arguments>(arguments)...), torch::autograd::deleteNode);
#endif
}

/// Runs the graph back from `roots`, adding to the `.grad` of the leaves, and frees it. `create_graph` stays off: with
/// it LibTorch replaces `.grad` in silence instead of adding in place.
inline void run_backward(const torch::autograd::edge_list& roots, const torch::autograd::variable_list& grads) {
  if (roots.empty()) return;
  torch::autograd::Engine::get_default_engine().execute(roots, grads, /*keep_graph=*/false, /*create_graph=*/false,
                                                        /*accumulate_grad=*/true);
}

}  // namespace osteon::sdk::compat
