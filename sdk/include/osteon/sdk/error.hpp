// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstring>
#include <exception>
#include <new>
#include <stdexcept>
#include <string>

#include <osteon/abi/version.h>

namespace osteon::sdk {

/// What a plugin throws: a status of the ABI and one sentence that says what was found and what would work.
class Error : public std::runtime_error {
 public:
  Error(osteon_status status, const std::string& message) : std::runtime_error(message), status_(status) {}
  osteon_status status() const noexcept { return status_; }

 private:
  osteon_status status_;
};

/// A value, shape or parameter that cannot be taken.
class InvalidArgument : public Error {
 public:
  explicit InvalidArgument(const std::string& message) : Error(OSTEON_INVALID_ARGUMENT, message) {}
};

/// Understood, but not offered.
class Unsupported : public Error {
 public:
  explicit Unsupported(const std::string& message) : Error(OSTEON_UNSUPPORTED, message) {}
};

/// The call was asked to stop.
class Cancelled : public Error {
 public:
  Cancelled() : Error(OSTEON_CANCELLED, "cancelled") {}
};

/// The data of this request cannot be worked on, and other data could: an image of NaN, say. In a batch it is one
/// image's fault and not the others'.
class BadInput : public Error {
 public:
  explicit BadInput(const std::string& message) : Error(OSTEON_BAD_INPUT, message) {}
};

/// Room for the text of a failure, to be handed to a function of the ABI.
class ErrorBuffer {
 public:
  ErrorBuffer() noexcept {
    raw_.struct_size = sizeof raw_;
    raw_.text_size = sizeof text_;
    raw_.text = text_;
  }
  ErrorBuffer(const ErrorBuffer&) = delete;
  ErrorBuffer& operator=(const ErrorBuffer&) = delete;

  osteon_error* out() noexcept { return &raw_; }
  /// What the callee wrote, whether it closed its text or not; empty when it wrote nothing.
  std::string text() const { return std::string(text_, ::strnlen(text_, sizeof text_)); }

 private:
  char text_[2048] = "";
  osteon_error raw_{};
};

namespace detail {

inline osteon_status report(osteon_error* error, osteon_status status, const char* text) noexcept {
  if (error != nullptr && error->text != nullptr && error->text_size > 0) {
    std::strncpy(error->text, text, error->text_size - 1);
    error->text[error->text_size - 1] = '\0';
  }
  return status;
}

/// Turns the exception in flight into a status and a text. Layers over other libraries translate theirs first.
inline osteon_status report_current_exception(osteon_error* error) noexcept {
  try {
    throw;
  } catch (const Error& e) {
    return report(error, e.status(), e.what());
  } catch (const std::bad_alloc&) {
    return report(error, OSTEON_OUT_OF_MEMORY, "out of memory");
  } catch (const std::invalid_argument& e) {
    return report(error, OSTEON_INVALID_ARGUMENT, e.what());
  } catch (const std::exception& e) {
    return report(error, OSTEON_FAILED, e.what());
  } catch (...) {
    return report(error, OSTEON_FAILED, "an exception of an unknown type");
  }
}

/// The wall: nothing that `body` throws gets past it.
template <class Body>
osteon_status guard(osteon_error* error, Body&& body) noexcept {
  try {
    body();
    return OSTEON_OK;
  } catch (...) {
    return report_current_exception(error);
  }
}

}  // namespace detail

/// Calls a function of the ABI whose last argument is an `osteon_error *`, and throws Error when it fails.
///
///     check([&](osteon_error* e) { return inner->predict(call, inner, n, images, &request, out, e); });
template <class Function>
void check(Function&& function) {
  ErrorBuffer error;
  const osteon_status status = function(error.out());
  if (status == OSTEON_OK) return;
  const std::string text = error.text();
  throw Error(status, text.empty() ? "failed without saying why" : text);
}

}  // namespace osteon::sdk
