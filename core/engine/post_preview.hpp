// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>

#include "engine/engine.hpp"

namespace osteon::engine {

/// `osteon post preview`: a contact sheet of an image, of the masks without a run's post-processors and with each of
/// them in turn, and of what they change altogether.
nlohmann::ordered_json run_post_preview(const PostPreviewRequest& request, const Context& context);

}  // namespace osteon::engine
