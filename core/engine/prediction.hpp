// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>

#include "engine/engine.hpp"

namespace osteon::engine {

/// `osteon predict`: files in, masks out. A file that cannot be read or predicted is named, and the others are
/// predicted; `failed` counts them.
nlohmann::json run_prediction(const PredictRequest& request, const Context& context);

}  // namespace osteon::engine
