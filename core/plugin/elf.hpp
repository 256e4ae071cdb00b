// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace osteon::plugin {

struct LibraryDescription;

/// What a library file says before any of its code runs.
struct ElfFacts {
  std::optional<std::string> note;     ///< the JSON of the Osteon note
  std::vector<std::string> needed;     ///< DT_NEEDED, and libraries that it is a filter of
  std::vector<std::string> run_paths;  ///< DT_RPATH and DT_RUNPATH, split; an empty one is the current folder
  bool has_entry = false;              ///< the dynamic symbol osteon_get_plugin is defined
};

/// Reads a shared library of this machine's kind. Throws Error(kPlugin) that says why the file is none.
ElfFacts read_elf(const std::filesystem::path& file);

/// Names of the components that a library's note speaks of; none where it has no note or a damaged one.
std::vector<std::string> components_of(const ElfFacts& facts);

/// A symbol that a library defines and shows to the dynamic linker.
struct DefinedSymbol {
  std::string name;
  bool unique = false;  ///< STB_GNU_UNIQUE: one for the whole process, in spite of RTLD_LOCAL
};

/// All of them. Throws as read_elf() does.
std::vector<DefinedSymbol> defined_symbols(const std::filesystem::path& file);

/// Throws Error(kPlugin) with the reason when a library must not be loaded: no entry, another ABI, another LibTorch
/// than the engine's, run paths of its own or into the current folder, or libraries that a plugin may not bring along.
void refuse_by_facts(const ElfFacts& facts);

/// Throws Error(kPlugin) when the components of a library's note are not those of its code. `facts` were not refused.
void refuse_by_disagreement(const ElfFacts& facts, const LibraryDescription& description);

}  // namespace osteon::plugin
