// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>

#include "engine/engine.hpp"

namespace osteon::engine {

/// `osteon augment preview`: a contact sheet of what the model sees of an image in one epoch after the other.
///
/// Draws have the keys that training gives them, so that a tile shows what a run of the recipe trains on. Throws
/// Error(kUsage) for a sheet that is too large, Error(kData) for images and labels that cannot be read.
nlohmann::ordered_json run_augment_preview(const AugmentPreviewRequest& request, const Context& context);

}  // namespace osteon::engine
