// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace osteon::plugin {

/// Who besides this user and root may put code of theirs into a plugin folder, as one sentence that names the first way
/// that was found; empty when nobody. Ways: writing to the folder or owning it; writing to a folder above it, and so
/// replacing it; writing to one of its `libraries`, or owning one.
///
/// Groups that count are others than this process's own and root's. Folders above `program` are not looked at: whoever
/// may write there may replace the program itself.
std::string exposure_of(const std::filesystem::path& folder, const std::vector<std::filesystem::path>& libraries,
                        const std::filesystem::path& program);

}  // namespace osteon::plugin
