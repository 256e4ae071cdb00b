// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <vector>

#include <osteon/abi/ensembler.h>
#include <osteon/abi/entry.h>
#include <osteon/abi/postprocessor.h>
#include <osteon/sdk/predictor.hpp>

#include "plugin/schema.hpp"

namespace osteon::plugin {

/// Combinations of choices and booleans that a component is asked about; of one with more it is known when it is made.
constexpr std::size_t kMostCombinations = 64;

/// Asks a post-processor or an ensembler that says its types without an instance (`types` of its functions) for every
/// combination of those parameters that are one choice or one boolean, both kinds of labels, and everything that can
/// lie beneath. Empty for others; combinations that it answers by a failure are left out. Throws Error(kPlugin) for
/// answers that are no types, or that break what the ABI says of them.
std::vector<TypeRow> ask_types(const osteon_component& component, const ComponentSchema& schema);

/// The type that these values and what lies beneath give; nullopt where the component does not say.
std::optional<ComponentType> type_of(const ComponentSchema& schema, const Parameters& parameters,
                                     const sdk::Beneath& beneath);

/// What an instance says of itself.
ComponentType type_of(const osteon_postprocessor_info& info) noexcept;
ComponentType type_of(const osteon_ensembler_info& info) noexcept;

}  // namespace osteon::plugin
