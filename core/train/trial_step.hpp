// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <opencv2/core.hpp>

#include "plugin/model.hpp"
#include "plugin/registry.hpp"
#include "recipe/recipe.hpp"

namespace osteon::train {

/// One forward, all losses and one backward on made-up images and labels, for what goes wrong with it. Leaves the model
/// with gradients and buffers of that: it is to be thrown away. Throws what a training step does, but not where values
/// are not finite, for that depends on the data.
/// @param size    of the images, px, of the model's multiple
/// @param device  where the model is
void try_step(const recipe::Recipe& recipe, plugin::Registry& registry, const plugin::ClassContext& classes,
              plugin::Model& model, cv::Size size, osteon_device device, int threads);

}  // namespace osteon::train
