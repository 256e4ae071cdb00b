// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>

namespace osteon {

/// The file that this code was loaded from, libosteon_host.so. The engine and the validator's checks lie beside it and
/// are loaded from there by their whole path: a bare name would be looked for along LD_LIBRARY_PATH first, which can
/// lead to the current folder.
const std::filesystem::path& host_library();

}  // namespace osteon
