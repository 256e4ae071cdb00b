// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>

#include <osteon/abi/entry.h>

#include "base/error.hpp"
#include "plugin/private_copy.hpp"

namespace osteon::plugin {

/// A library that is open; it stays so for the life of the process.
struct OpenLibrary {
  const osteon_plugin* plugin = nullptr;
  std::string sha256;  ///< of the bytes that were loaded
};

/// The dynamic linker could not load a library: something that it needs is missing. That says more of the machine than
/// of the file.
class LoadFailure : public Error {
 public:
  explicit LoadFailure(const std::string& why) : Error(ExitCode::kPlugin, why) {}
};

/// Opens the copy of a library, `RTLD_NOW | RTLD_LOCAL`, after a look at what it says before its code runs. The same
/// bytes are opened once per process, wherever they came from, and never closed: things that the library made, and
/// LibTorch's own registrations, may outlive any owner. Another version in place of a file that is open is another
/// library, and both live.
///
/// Throws Error(kPlugin) with the reason, LoadFailure when it is the dynamic linker's. Thread-safe.
OpenLibrary open_library(PrivateCopy copy);

/// Opens a file as it is now, whatever lists of allowed libraries say.
OpenLibrary open_library(const std::filesystem::path& file);

}  // namespace osteon::plugin
