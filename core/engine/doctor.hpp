// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>

namespace osteon::engine {

/// Versions of LibTorch and OpenCV, the kernels in use, threads, accelerators, as they are in this process.
nlohmann::json describe_libraries();

/// What matrix products reach here and now, in 10^9 floating point operations per second: the figure that tells a good
/// BLAS from a bad one. Takes a fifth of a second.
double measure_matmul();

}  // namespace osteon::engine
