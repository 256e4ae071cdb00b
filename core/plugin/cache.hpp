// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "plugin/scan.hpp"

namespace osteon::plugin {

/// What tells one state of a file from another without reading it: path, inode, size, time of change in ns, and the
/// host's own ABI and LibTorch. Empty when the file is not there.
std::string identity_of(const std::filesystem::path& file);

/// Results of scans, kept in a file. A result holds as long as the identity of its library does.
class DescriptorCache {
 public:
  /// Reads the file. A damaged one is forgotten, with a warning; a missing one is empty.
  explicit DescriptorCache(std::filesystem::path file);

  std::optional<ScanResult> find(const std::filesystem::path& library, const std::string& identity) const;
  void put(const std::filesystem::path& library, const std::string& identity, const ScanResult& result);
  void clear() { entries_.clear(), changed_ = true; }

  /// Writes the file when something changed, dropping libraries that are gone. A folder that cannot be written is a
  /// warning.
  void save();
  /// Empty, or what went wrong.
  const std::string& warning() const noexcept { return warning_; }

 private:
  struct Entry {
    std::string identity;
    nlohmann::json result;
  };
  std::filesystem::path file_;
  std::map<std::string, Entry> entries_;
  bool changed_ = false;
  std::string warning_;
};

}  // namespace osteon::plugin
