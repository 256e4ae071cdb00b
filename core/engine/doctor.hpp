// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>

namespace osteon::engine {

/// LibTorch, BLAS, threads, accelerators as they are in this process.
nlohmann::json describe_numeric_libraries();

}  // namespace osteon::engine
