// SPDX-License-Identifier: Apache-2.0
#include "plugin/weight_names.hpp"

#include <exception>

#include <osteon/abi/draft/weight_names.h>

#include "plugin/handle_support.hpp"
#include "plugin/model.hpp"

namespace osteon::plugin {
namespace {

/// Nothing when the plugin knows no names but its own.
std::optional<osteon_weight_names> extension_of(const LoadedComponent& component) {
  const auto* names = component.extension<osteon_weight_names>(OSTEON_EXTENSION_WEIGHT_NAMES);
  if (names == nullptr) return std::nullopt;
  return known_of(component, "weight names", names, "its extension");
}

/// Entries as the ABI takes them; borrows from `entries`.
class EntryArray {
 public:
  explicit EntryArray(const std::vector<WeightEntry>& entries) {
    for (const WeightEntry& entry : entries) {
      raw_.push_back(sdk::sized<osteon_weight_entry>());
      raw_.back().ndim = static_cast<std::int32_t>(entry.shape.size());
      raw_.back().name = entry.name.c_str();
      raw_.back().shape = entry.shape.data();
    }
    for (const osteon_weight_entry& entry : raw_) pointers_.push_back(&entry);
  }
  const osteon_weight_entry* const* get() const noexcept { return pointers_.data(); }

 private:
  std::vector<osteon_weight_entry> raw_;
  std::vector<const osteon_weight_entry*> pointers_;
};

/// Takes parts in a plugin's call, through which nothing may be thrown.
struct PartReceiver {
  const LoadedComponent& component;
  std::vector<WeightPart> parts;
  std::exception_ptr failure;

  static void take(void* user, const osteon_weight_part* part) noexcept {
    auto& self = *static_cast<PartReceiver*>(user);
    try {
      const osteon_weight_part known = known_of(self.component, "translate", part, "a part");
      self.parts.push_back({static_cast<std::size_t>(known.entry), known.first_row, known.n_rows, std::nullopt});
      if (known.target != nullptr) self.parts.back().target = known.target;
    } catch (...) {
      self.failure = std::current_exception();
    }
  }
};

void check_part(const LoadedComponent& component, const WeightPart& part, const std::vector<WeightEntry>& entries) {
  if (part.entry >= entries.size())
    misbehaved(component, "translate",
               "names entry " + std::to_string(part.entry) + " of " + std::to_string(entries.size()));
  const WeightEntry& entry = entries[part.entry];
  const std::int64_t rows = entry.shape.empty() ? 1 : entry.shape[0];
  if (!part.target || (part.first_row >= 0 && part.n_rows >= 0 && part.first_row <= rows - part.n_rows)) return;
  misbehaved(component, "translate",
             "takes " + std::to_string(part.n_rows) + " rows from row " + std::to_string(part.first_row) + " of '" +
                 entry.name + "', which has " + std::to_string(rows));
}

}  // namespace

std::vector<std::string> Model::weight_dialects() const {
  const std::optional<osteon_weight_names> names = extension_of(component_);
  if (!names) return {};
  std::vector<std::string> dialects;
  for (std::uint64_t d = 0; d < names->n_dialects; ++d) {
    if (names->dialects == nullptr || names->dialects[d] == nullptr)
      misbehaved(component_, "weight names", "a dialect without a name");
    dialects.emplace_back(names->dialects[d]);
  }
  return dialects;
}

std::vector<WeightPart> Model::translate_weights(std::size_t dialect, const std::vector<WeightEntry>& entries) const {
  const std::optional<osteon_weight_names> names = extension_of(component_);
  if (!names) return {};
  const EntryArray raw(entries);
  PartReceiver receiver{component_, {}, nullptr};
  check_call(component_, "translate", [&](osteon_error* error) {
    return names->translate(model_, dialect, entries.size(), raw.get(), &PartReceiver::take, &receiver, error);
  });
  if (receiver.failure) std::rethrow_exception(receiver.failure);
  for (const WeightPart& part : receiver.parts) check_part(component_, part, entries);
  return std::move(receiver.parts);
}

}  // namespace osteon::plugin
