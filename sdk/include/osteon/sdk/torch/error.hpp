// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <utility>

#include <osteon/sdk/error.hpp>
#include <osteon/sdk/torch/compat.hpp>

namespace osteon::sdk {

/// The wall around code that calls LibTorch: as detail::guard, and LibTorch's own failures keep their meaning (which
/// memory ran out, what is not offered) and lose their C++ stack trace.
template <class Body>
osteon_status torch_guard(osteon_error* error, Body&& body) noexcept {
  try {
    std::forward<Body>(body)();
    return OSTEON_OK;
  } catch (const c10::Error& e) {
    return detail::report(error, compat::status_of(e), e.what_without_backtrace());
  } catch (...) {
    return detail::report_current_exception(error);
  }
}

}  // namespace osteon::sdk
