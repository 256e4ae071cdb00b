// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace osteon {

/// Reads a whole file. Throws Error(kData) that names the path and the system's reason.
std::string read_file(const std::filesystem::path& path);

/// Writes `content` beside `path`, flushes it to disk and renames it over `path`, so that a reader sees the old
/// file or the new one and never half of it. Creates missing parent folders. Throws Error(kResources).
void write_file_atomically(const std::filesystem::path& path, std::string_view content);

/// The same for writers that need a path of their own (image encoders): `write` gets a temporary path in the same
/// folder with the same extension. The temporary file is removed when `write` throws.
void write_atomically(const std::filesystem::path& path,
                      const std::function<void(const std::filesystem::path& temporary)>& write);

/// Whether there is a file, or anything at all, at `path`, as far as the file system lets one know: a name that is too
/// long, links in a circle and a folder that may not be read say that there is none.
bool is_file(const std::filesystem::path& path) noexcept;
bool is_there(const std::filesystem::path& path) noexcept;

/// What std::filesystem threw, with the path that it is about: Error(kResources) when room, memory or descriptors ran
/// out or nothing may be written there, else Error(kData).
Error error_of(const std::filesystem::filesystem_error& failure);

/// Lower-case hexadecimal SHA-256 of a file or of a byte string.
std::string sha256_file(const std::filesystem::path& path);
std::string sha256(std::string_view bytes);

/// The folder for caches: `OSTEON_CACHE_DIR`, else `XDG_CACHE_HOME/osteon`, else `~/.cache/osteon`.
std::filesystem::path cache_folder();

}  // namespace osteon
