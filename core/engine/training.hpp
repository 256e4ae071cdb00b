// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>

#include "engine/engine.hpp"

namespace osteon::engine {

/// `osteon train`: recipe to run folder.
nlohmann::json run_training(const TrainRequest& request, const Context& context);

}  // namespace osteon::engine
