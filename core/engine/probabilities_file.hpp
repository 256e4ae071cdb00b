// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>

#include <osteon/sdk/tensor.hpp>

#include "plugin/call.hpp"
#include "predict/predict.hpp"

// Probabilities of one image in safetensors: a tensor `probabilities`, [1, classes, height, width].
namespace osteon::engine {

/// As float32 or float16, band by band as `predict` gives them to the sink that it is called with.
void write_probabilities(const std::filesystem::path& path, std::int64_t classes, std::int64_t height,
                         std::int64_t width, bool half,
                         const std::function<void(const predict::ProbabilitySink&)>& predict);
/// The same of what is there.
/// @param values  float32 [classes, height, width]
void write_probabilities(const std::filesystem::path& path, const osteon_tensor_view& values, bool half);

/// As float32 [classes, height, width], from F32, F16 or BF16. Throws Error(kData) for another shape or type, and for
/// values that are no probabilities.
/// @param classes  how many there have to be
sdk::OwnedTensor read_probabilities(const std::filesystem::path& path, std::int64_t classes, const plugin::Call& call);

}  // namespace osteon::engine
