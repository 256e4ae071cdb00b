// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "data/phantom/atlas.hpp"

namespace osteon::data::phantom {

/// Knots of a long bone of the hand in a unit frame: x in half widths of the base (radial side negative, right hand),
/// y from 0 (base) to -1 (head). Metacarpals differ by name.
Outline long_template(Family family, std::string_view name);

/// Knots of a carpal bone, in atlas units of the mean hand.
Outline carpal_template(std::string_view name);

/// Knots of radius or ulna, in atlas units of the mean hand, running far below the image.
Outline forearm_template(std::string_view name);

}  // namespace osteon::data::phantom
