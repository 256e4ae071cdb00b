// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>

#include <osteon/abi/entry.h>

#include "base/error.hpp"

namespace osteon::plugin {

/// A library that is open; it stays so for the life of the process.
struct OpenLibrary {
  const osteon_plugin* plugin = nullptr;
  std::string sha256;
};

/// The dynamic linker could not load a library: something that it needs is missing. That says more of the machine than
/// of the file.
class LoadFailure : public Error {
 public:
  explicit LoadFailure(const std::string& why) : Error(ExitCode::kPlugin, why) {}
};

/// Opens a library once per path, `RTLD_NOW | RTLD_LOCAL`, after a look at what it says before its code runs, and never
/// closes it: things that it made, and LibTorch's own registrations, may outlive any owner. Throws Error(kPlugin) with
/// the reason, LoadFailure when it is the dynamic linker's. Thread-safe.
OpenLibrary open_library(const std::filesystem::path& file);

}  // namespace osteon::plugin
