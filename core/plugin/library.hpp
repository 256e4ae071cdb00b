// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>

#include <osteon/abi/entry.h>

namespace osteon::plugin {

/// A library that is open; it stays so for the life of the process.
struct OpenLibrary {
  const osteon_plugin* plugin = nullptr;
  std::string sha256;
};

/// Opens a library once per path, `RTLD_NOW | RTLD_LOCAL`, after a look at what it says before its code runs, and never closes it:
/// things that it made, and LibTorch's own registrations, may outlive any owner. Throws Error(kPlugin) with the reason.
/// Thread-safe.
OpenLibrary open_library(const std::filesystem::path& file);

}  // namespace osteon::plugin
