// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include <osteon/abi/call.h>
#include <osteon/sdk/tensor.hpp>

namespace osteon::sdk {

/// The request that a plugin works for; see osteon_call. Cheap to copy; valid for the duration of the ABI call.
class Call {
 public:
  explicit Call(const osteon_call* call) noexcept : call_(call) {}

  const osteon_call* raw() const noexcept { return call_; }
  int threads() const noexcept { return static_cast<int>(call_->threads); }
  osteon_device device() const noexcept { return call_->device; }
  void* stream() const noexcept { return call_->stream; }

  bool cancelled() const noexcept { return call_->cancelled(call_) != 0; }
  /// Throws Cancelled when the caller wants the call to stop. Call it at least every 50 ms of work.
  void stop_if_cancelled() const {
    if (cancelled()) throw Cancelled();
  }

  void progress(double fraction) const { call_->progress(call_, fraction); }
  void info(const std::string& text) const { call_->log(call_, OSTEON_LOG_INFO, text.c_str()); }
  void warn(const std::string& text) const { call_->log(call_, OSTEON_LOG_WARNING, text.c_str()); }

  /// A contiguous tensor of the host's pool on the call's device, content undefined.
  OwnedTensor allocate(osteon_dtype type, const std::vector<std::int64_t>& shape) const {
    OwnedTensor tensor;
    check([&](osteon_error* error) {
      return call_->allocate(call_, type, static_cast<std::int32_t>(shape.size()), shape.data(), tensor.out(), error);
    });
    return tensor;
  }
  template <class T>
  OwnedTensor allocate(const std::vector<std::int64_t>& shape) const {
    return allocate(dtype_of<T>(), shape);
  }

  /// `count` elements of host memory until the call returns, content undefined.
  template <class T>
  T* scratch(std::size_t count) const {
    void* memory = call_->scratch(call_, count * sizeof(T));
    if (memory == nullptr) throw Error(OSTEON_OUT_OF_MEMORY, "no scratch memory left");
    return static_cast<T*>(memory);
  }

  /// A service of the host; throws when this host does not have it.
  template <class Service>
  const Service& service(const char* id) const {
    const void* found = call_->service(call_, id);
    if (found == nullptr) throw Unsupported(std::string("this host has no service ") + id);
    return *static_cast<const Service*>(found);
  }

 private:
  const osteon_call* call_;
};

}  // namespace osteon::sdk
