// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "plugin/component.hpp"

namespace osteon::train {

/// The device that `train.device` stands for. "auto" is CUDA where there is one and every component can work there;
/// when a component keeps it from CUDA, that is said. Throws Error(kUsage) when CUDA is asked for by name and cannot be
/// had.
osteon_device choose_device(const std::string& wanted, const std::vector<plugin::LoadedComponent>& components);

}  // namespace osteon::train
