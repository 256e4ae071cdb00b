// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "data/phantom/phantom.hpp"

namespace osteon::data::phantom {

/// The competition's annotation of one image as JSON text, with its quirks: classes in shuffled order, a `filename`
/// that ends in .jpg, a `metadata` of 3060 x 3060 whatever the image's size. `seed` decides order and ids.
std::string annotation_json(const PhantomHand& hand, const std::string& stem, const std::string& folder,
                            std::uint64_t seed);

}  // namespace osteon::data::phantom
