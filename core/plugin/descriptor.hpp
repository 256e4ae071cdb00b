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
  std::vector<SkippedComponent> skipped;
};

/// "0.2".
std::string abi_text(std::uint32_t abi_version);

/// Empty when a host of this build can serve a plugin of `abi_version`: of the same major number, and from
/// OSTEON_ABI_OLDEST_MINOR on. Else one sentence that says why not and what to do.
std::string abi_refusal(std::uint32_t abi_version);

/// Reads a description. A component that is newer than this host (of an unknown kind, with a parameter of an unknown
/// type, with a flag that must be understood and is not known) is skipped. Throws Error(kPlugin) that says what is
/// broken: another ABI, no or malformed names, two components of one kind, name and version, two parameters of one
/// name, functions that are missing, defaults that break their own bounds, types that are none (plugin/type_table.hpp).
LibraryDescription describe(const osteon_plugin& plugin);

/// The component of this kind and name of a library that is loaded or linked in; of several versions the highest that
/// `version` means (version_matches).
LoadedComponent component_of(const osteon_plugin& plugin, Kind kind, const std::string& name,
                             const std::string& version = "");

}  // namespace osteon::plugin
