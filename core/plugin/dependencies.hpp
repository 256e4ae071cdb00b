// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace osteon::plugin {

/// The libraries that the dynamic linker would load with this one: what it needs, what those need, and so on. The
/// linker is asked itself, in a process of its own, and runs nothing of them (as `ldd` does). Those that are not there
/// are left out; empty when there is no answer.
std::vector<std::filesystem::path> dependencies_of(const std::filesystem::path& library);

/// The files in an answer of `ld.so --list`: lines "NAME => PATH (0xADDRESS)" or "PATH (0xADDRESS)".
std::vector<std::filesystem::path> files_in_linker_answer(const std::string& text);

}  // namespace osteon::plugin
