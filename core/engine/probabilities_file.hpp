// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>

#include <osteon/sdk/tensor.hpp>

#include "plugin/call.hpp"

// Probabilities of one image in safetensors: a tensor `probabilities`, [1, classes, height, width].
namespace osteon::engine {

/// As float32 or float16.
/// @param values  float32 [classes, height, width]
void write_probabilities(const std::filesystem::path& path, const osteon_tensor_view& values, bool half);

/// As float32 [classes, height, width], from F32, F16 or BF16. Throws Error(kData) for another shape or type, and for
/// values that are no probabilities.
/// @param classes  how many there have to be
sdk::OwnedTensor read_probabilities(const std::filesystem::path& path, std::int64_t classes, const plugin::Call& call);

}  // namespace osteon::engine
