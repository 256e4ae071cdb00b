// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>

#include "engine/engine.hpp"

namespace osteon::engine {

/// `osteon post run`: one post-processor alone, over stored probabilities of one image.
nlohmann::ordered_json run_post_alone(const PostRunRequest& request, const Context& context);

}  // namespace osteon::engine
