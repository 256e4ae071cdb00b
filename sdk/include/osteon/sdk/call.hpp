// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include <osteon/abi/call.h>
#include <osteon/sdk/known.hpp>
#include <osteon/sdk/tensor.hpp>

namespace osteon::sdk {

class DerivedCall;

/// How a derived call differs from its parent; see osteon_call_options.
struct CallOptions {
  int threads = 0;            ///< of the parent's; 0: all of them
  double progress_begin = 0;  ///< the part of the parent's progress that is its own; both 0: none
  double progress_end = 0;
  std::optional<std::int64_t> time_left;  ///< ns until its deadline
  std::optional<osteon_device> device;    ///< with `stream`
  void* stream = nullptr;
};

namespace detail {

/// The JSON text of a value, for notes.
inline std::string json_text(const std::string& text) {
  static const char* const kDigits = "0123456789abcdef";
  std::string quoted = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') quoted += '\\';
    if (byte < 0x20)
      quoted += std::string("\\u00") + kDigits[byte >> 4] + kDigits[byte & 15];
    else
      quoted += c;
  }
  return quoted + '"';
}
inline std::string json_text(const char* text) { return json_text(std::string(text)); }
template <class T, class = std::enable_if_t<std::is_arithmetic_v<T>>>
std::string json_text(T value) {
  if constexpr (std::is_same_v<T, bool>) {
    return value ? "true" : "false";
  } else if constexpr (std::is_integral_v<T>) {
    return std::to_string(value);
  } else {
    if (!std::isfinite(static_cast<double>(value))) return "null";  // JSON has no other word for it
    char text[40];
    std::snprintf(text, sizeof text, "%.*g", std::numeric_limits<T>::max_digits10, static_cast<double>(value));
    for (char* c = text; *c != '\0'; ++c)
      if (*c == ',') *c = '.';  // whatever the process's locale
    return text;
  }
}

}  // namespace detail

/// The request that a plugin works for; see osteon_call. Cheap to copy; valid for the duration of the ABI call.
class Call {
 public:
  /// Of a call that the host gave. Throws as known() does when this SDK cannot work for it.
  explicit Call(const osteon_call* call) : call_(call) { known(call, "the call"); }

  const osteon_call* raw() const noexcept { return call_; }
  int threads() const noexcept { return static_cast<int>(call_->threads); }
  osteon_device device() const noexcept { return call_->device; }
  void* stream() const noexcept { return call_->stream; }

  bool cancelled() const noexcept { return call_->cancelled(call_) != 0; }
  /// Nanoseconds until the deadline; the greatest integer when there is none.
  std::int64_t time_left() const noexcept { return call_->time_left(call_); }
  /// Throws Cancelled when the caller wants the call to stop. Call it at least every 50 ms of work that loops here;
  /// before and after what a library does in one piece.
  void stop_if_cancelled() const {
    if (cancelled()) throw Cancelled();
  }

  void progress(double fraction) const { call_->progress(call_, fraction); }
  void info(const std::string& text) const { call_->log(call_, OSTEON_LOG_INFO, text.c_str()); }
  void warn(const std::string& text) const { call_->log(call_, OSTEON_LOG_WARNING, text.c_str()); }

  /// Says something of an image that its reader should know; `--json` shows it there. `image` is osteon_image.root, or
  /// NULL: about the request. `value` is a number, a bool or a text.
  template <class T>
  void note(const char* image, const char* key, const T& value) const {
    call_->note(call_, image, key, detail::json_text(value).c_str());
  }

  /// A contiguous tensor, content undefined, in OSTEON_MEMORY_*: by default of the host's pool on the call's device.
  OwnedTensor allocate(osteon_dtype type, const std::vector<std::int64_t>& shape,
                       std::uint32_t memory = OSTEON_MEMORY_DEVICE) const {
    OwnedTensor tensor;
    check([&](osteon_error* error) {
      return call_->allocate(call_, memory, type, static_cast<std::int32_t>(shape.size()), shape.data(), tensor.out(),
                             error);
    });
    return tensor;
  }
  template <class T>
  OwnedTensor allocate(const std::vector<std::int64_t>& shape, std::uint32_t memory = OSTEON_MEMORY_DEVICE) const {
    return allocate(dtype_of<T>(), shape, memory);
  }

  /// A call beneath this one. What works for it must have come back before it dies, and it before this call returns.
  DerivedCall derive(const CallOptions& options) const;

  /// `count` elements of host memory until the call returns, content undefined.
  template <class T>
  T* scratch(std::size_t count) const {
    void* memory = call_->scratch(call_, count * sizeof(T));
    if (memory == nullptr) throw Error(OSTEON_OUT_OF_MEMORY, "no scratch memory left");
    return static_cast<T*>(memory);
  }

  /// A service of the host; NULL when this host does not have it.
  template <class Service>
  const Service* find_service(const char* id) const {
    const auto* found = static_cast<const Service*>(call_->service(call_, id));
    if (found != nullptr) known(found, id);
    return found;
  }
  /// A service of the host; throws when this host does not have it.
  template <class Service>
  const Service& service(const char* id) const {
    const Service* found = find_service<Service>(id);
    if (found == nullptr) throw Unsupported(std::string("this host has no service ") + id);
    return *found;
  }

 private:
  const osteon_call* call_;
};

/// A call that Call::derive made; ended when it dies.
class DerivedCall {
 public:
  DerivedCall(const osteon_call* parent, const osteon_call* derived) noexcept : parent_(parent), derived_(derived) {}
  DerivedCall(DerivedCall&& other) noexcept : parent_(other.parent_), derived_(other.derived_) {
    other.derived_ = nullptr;
  }
  DerivedCall& operator=(DerivedCall&&) = delete;
  ~DerivedCall() {
    if (derived_ != nullptr) parent_->end(derived_);
  }
  const osteon_call* raw() const noexcept { return derived_; }
  Call get() const { return Call(derived_); }

 private:
  const osteon_call* parent_;
  const osteon_call* derived_;
};

inline DerivedCall Call::derive(const CallOptions& options) const {
  auto raw = sized<osteon_call_options>();
  if (options.device) raw.flags |= OSTEON_DERIVE_DEVICE;
  if (options.time_left) raw.flags |= OSTEON_DERIVE_DEADLINE;
  raw.threads = static_cast<std::uint32_t>(options.threads);
  raw.progress_begin = options.progress_begin;
  raw.progress_end = options.progress_end;
  raw.time_left = options.time_left.value_or(0);
  raw.device = options.device.value_or(osteon_device{});
  raw.stream = options.stream;
  const osteon_call* derived = nullptr;
  check([&](osteon_error* error) { return call_->derive(call_, &raw, &derived, error); });
  return DerivedCall(call_, derived);
}

}  // namespace osteon::sdk
