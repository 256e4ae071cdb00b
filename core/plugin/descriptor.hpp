// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include <osteon/abi/entry.h>

#include "plugin/component.hpp"

namespace osteon::plugin {

/// What a library says of itself, checked and copied out of it.
struct LibraryDescription {
  std::uint32_t abi_version = 0;
  std::string name;
  std::string version;
  std::vector<ComponentSchema> components;
};

/// "0.1".
std::string abi_text(std::uint32_t abi_version);

/// Whether a host of this build can serve a plugin of `abi_version`: the same major number, and while that is 0 the
/// same minor.
bool abi_fits(std::uint32_t abi_version) noexcept;

/// Reads a description. Throws Error(kPlugin) that says what is broken: another ABI, no or malformed names, unknown
/// kinds, types or flags, two components or parameters of one name, functions that are missing, defaults that break
/// their own bounds.
LibraryDescription describe(const osteon_plugin& plugin);

/// The component of this kind and name of a library that is loaded or linked in.
LoadedComponent component_of(const osteon_plugin& plugin, Kind kind, const std::string& name);

}  // namespace osteon::plugin
