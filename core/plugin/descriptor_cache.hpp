// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "plugin/scan.hpp"

namespace osteon::plugin {

/// What tells one state of a file from another without reading it: device, inode, size and time of change in ns. Empty
/// when the file is not there.
std::string file_identity(const std::filesystem::path& file);

/// The same of a library as this host sees it: also the host's ABI, its LibTorch and its own file, for another host may
/// judge otherwise. Empty when the file is not there.
std::string identity_of(const std::filesystem::path& file);

/// What is known of a library file in one state.
struct KnownLibrary {
  std::string sha256;              ///< empty: nothing is known
  std::optional<ScanResult> scan;  ///< nullopt: its code has to be looked at (again), or must not be
};

/// What was found out of libraries, kept in a file. The digest holds as long as the identity of the library does; the
/// result of a scan as long as those of what the library needs do as well. Digests are for display and for what is
/// decided before a library is read: what is loaded is hashed when it is.
class DescriptorCache {
 public:
  /// Reads the file. A damaged one is forgotten, with a warning; a missing one is empty.
  explicit DescriptorCache(std::filesystem::path file);

  KnownLibrary find(const std::filesystem::path& library, const std::string& identity) const;
  /// A scan that does not stick is left out.
  void put(const std::filesystem::path& library, const std::string& identity, const KnownLibrary& known);
  void clear() { entries_.clear(), changed_ = true; }

  /// Writes the file when something changed, dropping libraries that are gone. A folder that cannot be written is a
  /// warning.
  void save();
  /// Empty, or what went wrong.
  const std::string& warning() const noexcept { return warning_; }

 private:
  using Dependencies = std::map<std::filesystem::path, std::string>;
  struct Entry {
    std::string identity;
    std::string sha256;
    nlohmann::json scan;  // null: none
    Dependencies dependencies;
  };
  void read();
  bool still_hold(const Dependencies& dependencies) const;

  std::filesystem::path file_;
  std::map<std::string, Entry> entries_;
  bool changed_ = false;
  std::string warning_;
  mutable std::map<std::filesystem::path, std::string> seen_;  // libraries need much the same, hundreds with LibTorch
};

}  // namespace osteon::plugin
