// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>

#include "engine/engine.hpp"

namespace osteon::engine {

/// `osteon model forward`: raw logits of one tensor.
nlohmann::json run_forward(const ForwardRequest& request, const Context& context);

}  // namespace osteon::engine
