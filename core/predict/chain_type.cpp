// SPDX-License-Identifier: Apache-2.0
#include "predict/chain_type.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "base/suggest.hpp"
#include "plugin/type_table.hpp"

namespace osteon::predict {
namespace {

constexpr std::uint32_t kLogits = OSTEON_SET(OSTEON_FORM_LOGITS);
constexpr std::uint32_t kProbabilities = OSTEON_SET(OSTEON_FORM_PROBABILITIES);
constexpr std::uint32_t kBits = OSTEON_SET(OSTEON_FORM_BITS);

}  // namespace

std::string forms_text(std::uint32_t forms) {
  std::string text;
  const auto add = [&](std::uint32_t form, const char* name) {
    if ((forms & form) != 0) text += (text.empty() ? "" : " or ") + std::string(name);
  };
  add(kLogits, "logits");
  add(kProbabilities, "probabilities");
  add(kBits, "decided masks");
  return text;
}

std::string grids_text(std::uint32_t grids) {
  const bool model = (grids & OSTEON_SET(OSTEON_GRID_MODEL)) != 0, image = (grids & OSTEON_SET(OSTEON_GRID_IMAGE)) != 0;
  return model && image ? "the model's grid or the image's" : model ? "the model's grid" : "the image's grid";
}

Gives bridged(const Gives& beneath, std::uint32_t forms) {
  Gives gives;
  // Probabilities can be made of whatever there is, bits of all floats, and logits are the last resort.
  gives.forms = (forms & kProbabilities) != 0 ? kProbabilities : (forms & kBits) != 0 ? kBits : kLogits;
  gives.grids = gives.forms == kBits ? std::uint32_t{OSTEON_SET(OSTEON_GRID_IMAGE)} : beneath.grids;
  return gives;
}

Gives seen_by(const Gives& beneath, const plugin::ComponentType& type) {
  return (beneath.forms & type.needs_forms) != 0 ? beneath : bridged(beneath, type.needs_forms);
}

std::string misfit(const recipe::Component& post, const plugin::ComponentType& type, const std::string& name,
                   const Gives& beneath) {
  const Gives seen = seen_by(beneath, type);
  if ((seen.grids & type.needs_grids) != 0) return "";
  return "post-processor '" + post.plugin + "' needs " + grids_text(type.needs_grids) + ", and " + name +
         " under it gives " + grids_text(seen.grids);
}

std::string unpaired_class(const recipe::Component& post, const plugin::ComponentType& type,
                           const plugin::ClassContext& all, const std::vector<std::int32_t>& classes) {
  if (type.shape != OSTEON_POSTPROCESSOR_WRAPPER) return "";
  for (const std::int32_t c : classes) {
    const std::int32_t other = all.mirrored.empty() ? c : all.mirrored[static_cast<std::size_t>(c)];
    if (std::binary_search(classes.begin(), classes.end(), other)) continue;
    return "post-processor '" + post.plugin + "' acts on the class '" + all.names[static_cast<std::size_t>(c)] +
           "' and not on '" + all.names[static_cast<std::size_t>(other)] +
           "', which it becomes in a mirrored image; name both in `classes`";
  }
  return "";
}

std::vector<std::int32_t> acted_on(const recipe::Component& post, const plugin::ClassContext& all) {
  std::vector<std::int32_t> classes;
  for (std::size_t c = 0; c < all.names.size(); ++c)
    if (std::find(post.classes.begin(), post.classes.end(), all.names[c]) != post.classes.end())
      classes.push_back(static_cast<std::int32_t>(c));
  return classes;
}

std::uint32_t form_of_member(const Gives& member, std::uint32_t form) {
  if (form != OSTEON_FORM_BITS) return form;
  const bool floats = member.form(OSTEON_FORM_PROBABILITIES) || member.form(OSTEON_FORM_LOGITS);
  return floats ? std::uint32_t{OSTEON_FORM_PROBABILITIES} : form;
}

std::string member_misfit(const Gives& member, std::uint32_t form, const std::string& who) {
  const std::uint32_t asked = form_of_member(member, form);
  if (member.form(asked) || (asked == OSTEON_FORM_PROBABILITIES && member.form(OSTEON_FORM_LOGITS))) return "";
  return who + " gives " + forms_text(member.forms) + " alone, and what is above it needs " +
         forms_text(OSTEON_SET(asked));
}

std::vector<std::int32_t> channels_of(const plugin::ClassContext& member, const plugin::ClassContext& classes,
                                      const std::string& who) {
  const std::vector<std::string>& own = member.names;
  if (member.multiclass != classes.multiclass)
    throw Error(ExitCode::kUsage, who + " has labels of the other kind, one class per pixel or any number");
  if (classes.multiclass && own != classes.names)
    throw Error(ExitCode::kUsage,
                who +
                    " has other classes, or another order of them; where a pixel has exactly one class, all members "
                    "have the same");
  for (const std::string& name : own)
    if (std::find(classes.names.begin(), classes.names.end(), name) == classes.names.end())
      throw Error(ExitCode::kUsage, who + " has the class '" + name + "', which data.classes does not have" +
                                        did_you_mean(name, classes.names));
  std::vector<std::int32_t> channels;
  for (const std::string& name : classes.names) {
    const auto found = std::find(own.begin(), own.end(), name);
    channels.push_back(found == own.end() ? -1 : static_cast<std::int32_t>(found - own.begin()));
  }
  return channels;
}

}  // namespace osteon::predict
