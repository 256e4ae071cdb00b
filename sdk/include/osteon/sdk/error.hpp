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
  char text[1024] = "";
  osteon_error error{sizeof(osteon_error), sizeof text, text};
  const osteon_status status = function(&error);
  if (status != OSTEON_OK) throw Error(status, text[0] != '\0' ? text : "failed without saying why");
}

}  // namespace osteon::sdk
