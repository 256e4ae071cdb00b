// SPDX-License-Identifier: Apache-2.0
#include "plugin/exposure.hpp"

#include <algorithm>

#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

namespace osteon::plugin {
namespace fs = std::filesystem;
namespace {

// Numbers and no names: asking for a name can mean a network. Sticky or not, whoever may write to a folder may add to
// it; what is there already they may replace only without the sticky bit.
std::string others(const fs::path& path, bool to_replace) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return "";
  if (status.st_uid != 0 && status.st_uid != ::geteuid()) return fmt::format("user {}, who owns it,", status.st_uid);
  if (to_replace && (status.st_mode & S_ISVTX) != 0) return "";
  if ((status.st_mode & S_IWOTH) != 0) return "anybody";
  if ((status.st_mode & S_IWGRP) != 0 && status.st_gid != 0 && status.st_gid != ::getegid())
    return fmt::format("group {}", status.st_gid);
  return "";
}

bool is_above(const fs::path& folder, const fs::path& file) {
  return std::mismatch(folder.begin(), folder.end(), file.begin(), file.end()).first == folder.end();
}

}  // namespace

std::string exposure_of(const fs::path& folder, const std::vector<fs::path>& libraries, const fs::path& program) {
  if (const std::string who = others(folder, false); !who.empty())
    return fmt::format("{} may write to the plugin folder {}", who, folder.string());
  std::error_code gone;
  const fs::path real = fs::canonical(folder, gone);
  for (fs::path above = real.parent_path(); !gone && !is_above(above, program); above = above.parent_path()) {
    if (const std::string who = others(above, true); !who.empty())
      return fmt::format("{} may write to {} and so replace the plugin folder {}", who, above.string(),
                         folder.string());
    if (above == above.parent_path()) break;
  }
  std::string who;
  std::vector<std::string> exposed;
  for (const fs::path& library : libraries) {
    const std::string each = others(library, false);
    if (each.empty()) continue;
    if (who.empty()) who = each;
    exposed.push_back(library.filename().string());
  }
  if (exposed.empty()) return "";
  return fmt::format(
      "{} may write to {} in the plugin folder {}{}", who, exposed[0], folder.string(),
      exposed.size() == 1 ? "" : fmt::format(", and {} more libraries are open to others", exposed.size() - 1));
}

}  // namespace osteon::plugin
