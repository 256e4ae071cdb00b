// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>

namespace osteon::models {

/// Holds every entry of a zip archive against its checksum. LibTorch (1.13) leaves checksums alone, and its parser of
/// scripts does not survive every changed byte; what was damaged on its way is to be an error with a name.
///
/// Throws InvalidArgument for what is no zip archive, is cut, or is damaged. It is no guard against whoever makes an
/// archive on purpose: scripts are code. Reads in pieces; sizes that the archive's own bytes cannot hold are refused
/// before anything is made of them.
void check_archive(const std::filesystem::path& file);

}  // namespace osteon::models
