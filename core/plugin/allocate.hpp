// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "plugin/call.hpp"

namespace osteon::plugin {

/// osteon_call.allocate for a call on `device`.
osteon_status allocate(osteon_device device, std::uint32_t memory, osteon_dtype dtype, std::int32_t ndim,
                       const std::int64_t* shape, osteon_tensor* out, osteon_error* error) noexcept;

}  // namespace osteon::plugin
