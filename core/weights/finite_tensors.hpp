// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "plugin/model.hpp"
#include "weights/safetensors.hpp"

namespace osteon::weights {

/// Throws Error(kData) at `where`, which names the tensors, when values that are to be loaded into `places` of the same
/// names and shapes are NaN or infinite there: in the file, or because the place's type is too narrow for them. A
/// buffer may have what the model itself has begun with: masks are made of infinities.
void expect_finite(const std::vector<TensorData>& file, const std::vector<plugin::NamedTensor>& places,
                   const std::string& where);

}  // namespace osteon::weights
