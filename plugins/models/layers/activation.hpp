// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace osteon::layers {

/// What a layer ends with. kSwish: x * sigmoid(x), also called SiLU.
enum class Activation { kNone, kRelu, kSwish };

}  // namespace osteon::layers
