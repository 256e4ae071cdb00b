// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace osteon::data {

/// The image files that arguments name: files, folders of images at any depth (walked as listing.hpp says), and
/// patterns, each match of which is taken as if it had been named. A file is taken whatever its name ends in. A file
/// that is named twice is taken once, and a warning says so.
///
/// @param leaves_out  files and folders that are no inputs, as the program's own output is; they are named in a warning
///
/// @return in the order of the arguments, the content of folders and patterns sorted. Throws Error(kData), naming it,
/// for what is not there, for folders that cannot be read and folders without images; Error(kUsage) when all was left
/// out.
std::vector<std::filesystem::path> find_inputs(const std::vector<std::string>& arguments,
                                               const std::function<bool(const std::filesystem::path&)>& leaves_out);

}  // namespace osteon::data
