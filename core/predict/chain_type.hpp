// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <osteon/sdk/predictor.hpp>

#include "plugin/component.hpp"
#include "plugin/schema.hpp"
#include "recipe/recipe.hpp"

/// What fits what in the predictor tree, from types alone: without an instance, an image or LibTorch. Building a chain
/// and checking a recipe ask the same functions.
namespace osteon::predict {

/// Sets of forms and grids (OSTEON_SET) that a predictor can be asked for. The default: what a model gives.
struct Gives {
  std::uint32_t forms = OSTEON_SET(OSTEON_FORM_LOGITS) | OSTEON_SET(OSTEON_FORM_PROBABILITIES);
  std::uint32_t grids = OSTEON_SET(OSTEON_GRID_MODEL) | OSTEON_SET(OSTEON_GRID_IMAGE);

  bool form(std::uint32_t number) const noexcept { return (forms & OSTEON_SET(number)) != 0; }
  bool grid(std::uint32_t number) const noexcept { return (grids & OSTEON_SET(number)) != 0; }
};

/// "logits or probabilities", "decided masks".
std::string forms_text(std::uint32_t forms);
/// "the model's grid", "the model's grid or the image's".
std::string grids_text(std::uint32_t grids);

/// What the host makes of a predictor for one that needs one of `forms`, none of which that gives (predict/bridge.hpp).
Gives bridged(const Gives& beneath, std::uint32_t forms);
/// The same, or `beneath` as it is where it gives one of them.
Gives seen_by(const Gives& beneath, const plugin::ComponentType& type);

/// Why a post-processor of this type cannot be put on `beneath`, which is called `name`; empty where it can. Forms are
/// never why, for the host makes them; grids are.
std::string misfit(const recipe::Component& post, const plugin::ComponentType& type, const std::string& name,
                   const Gives& beneath);

/// Why a post-processor that predicts other images than it is given (a wrapper) cannot act on `classes` of the data
/// alone: in a mirrored image one of them becomes one that it does not see. Empty where it can, and for maps.
std::string unpaired_class(const recipe::Component& post, const plugin::ComponentType& type,
                           const plugin::ClassContext& all, const std::vector<std::int32_t>& classes);

/// The numbers of the classes that a post-processor acts on, rising; empty: all.
std::vector<std::int32_t> acted_on(const recipe::Component& post, const plugin::ClassContext& all);

/// The form that a member is asked for where bands of `form` are made of its answer: of bits probabilities, where it
/// has any, for its own thresholds decide.
std::uint32_t form_of_member(const Gives& member, std::uint32_t form);
/// Why a member cannot be asked for that, calling it `who`; empty where it can. Probabilities are made of logits.
std::string member_misfit(const Gives& member, std::uint32_t form, const std::string& who);

/// A member's channels of each class of the whole, by name; -1: it does not have the class. Throws Error(kUsage),
/// calling the member `who`, when it has a class that the whole does not have, or none of it; where exactly one class
/// holds for a pixel, when it does not have the very same.
std::vector<std::int32_t> channels_of(const plugin::ClassContext& member, const plugin::ClassContext& classes,
                                      const std::string& who);

}  // namespace osteon::predict
