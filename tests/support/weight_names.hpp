// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <osteon/abi/draft/weight_names.h>
#include <osteon/abi/entry.h>
#include <osteon/sdk/error.hpp>

namespace osteon::test {

/// What the linked plugin makes of a name in a dialect: the names of its own tensors in the order of the rows, each
/// with as many rows; empty when it does not know the name, "-" when it has no use for it.
inline std::string translated(const std::string& dialect, const std::string& name, std::int64_t rows) {
  const osteon_component& component = *osteon_get_plugin(OSTEON_ABI_VERSION)->components[0];
  const auto& names = *static_cast<const osteon_weight_names*>(component.extension(OSTEON_EXTENSION_WEIGHT_NAMES));
  osteon_weight_entry entry{};
  entry.struct_size = sizeof entry;
  entry.ndim = 1;
  entry.name = name.c_str();
  entry.shape = &rows;
  const osteon_weight_entry* const entries[] = {&entry};
  std::string found;
  const auto add = [](void* user, const osteon_weight_part* part) {
    auto& text = *static_cast<std::string*>(user);
    text += text.empty() ? "" : ", ";
    text += part->target == nullptr ? "-" : part->target + (" " + std::to_string(part->n_rows));
  };
  for (std::uint64_t d = 0; d < names.n_dialects; ++d) {
    if (names.dialects[d] != dialect) continue;
    sdk::check([&](osteon_error* error) { return names.translate(nullptr, d, 1, entries, add, &found, error); });
    return found;
  }
  throw std::out_of_range(dialect);
}

}  // namespace osteon::test
