// SPDX-License-Identifier: Apache-2.0
#include "exports/output_folder.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <system_error>
#include <utility>

#include "base/file_name.hpp"

namespace osteon::exports {
namespace fs = std::filesystem;
namespace {

/// The path without links, and without a slash at its end, which would be one more component. What cannot be followed
/// is what it is called.
fs::path place_of(const fs::path& path) {
  std::error_code failure;
  fs::path place = fs::weakly_canonical(fs::absolute(path), failure);
  if (failure) place = fs::absolute(path).lexically_normal();
  return place.has_filename() ? place : place.parent_path();
}

bool lies_in(const fs::path& path, const fs::path& folder) {
  return std::mismatch(folder.begin(), folder.end(), path.begin(), path.end()).first == folder.end();
}

/// Names that differ. `name(i, level)` is the name of item i, longer at each level; those of the last level differ.
std::vector<std::string> tell_apart(std::size_t count, std::size_t last_level,
                                    const std::function<std::string(std::size_t, std::size_t)>& name) {
  std::vector<std::size_t> levels(count, 0);
  std::vector<std::string> names(count);
  for (bool changed = true; changed;) {
    changed = false;
    std::map<std::string, std::vector<std::size_t>> by_name;
    for (std::size_t i = 0; i < count; ++i) by_name[names[i] = name(i, levels[i])].push_back(i);
    for (const auto& [shared, items] : by_name) {
      if (items.size() == 1) continue;
      for (const std::size_t i : items) {
        if (levels[i] == last_level) continue;
        ++levels[i];
        changed = true;
      }
    }
  }
  return names;
}

/// The file's name behind those of `level` folders above it. Where there are no more, the whole path: nothing else has
/// it.
std::string name_with_folders(const fs::path& path, std::size_t level) {
  const std::vector<fs::path> parts(path.begin(), path.end());
  if (level + 1 >= parts.size()) return file_name_of(path.string());
  std::string name = parts.back().string();
  for (std::size_t i = 1; i <= level; ++i) name = parts[parts.size() - 1 - i].string() + '_' + name;
  return name;
}

}  // namespace

OutputFolder::OutputFolder(fs::path root) : root_(std::move(root)), place_(place_of(root_)) {}

bool OutputFolder::owns(const fs::path& path) const {
  const fs::path place = place_of(path);
  return place == place_ || lies_in(place, place_ / "masks") || lies_in(place, place_ / "overlays") ||
         lies_in(place, place_ / "probabilities");
}

std::vector<OutputName> output_names(const std::vector<fs::path>& inputs) {
  std::vector<fs::path> paths;
  std::size_t deepest = 0;
  for (const fs::path& input : inputs) {
    paths.push_back(fs::absolute(input).lexically_normal());
    deepest = std::max(deepest, static_cast<std::size_t>(std::distance(paths.back().begin(), paths.back().end())));
  }
  const std::vector<std::string> images = tell_apart(
      inputs.size(), deepest, [&](std::size_t i, std::size_t level) { return name_with_folders(paths[i], level); });
  const std::vector<std::string> files = tell_apart(inputs.size(), 1, [&](std::size_t i, std::size_t level) {
    return bounded_file_name(level == 0 ? fs::path(images[i]).stem().string() : images[i]);
  });
  std::vector<OutputName> names;
  for (std::size_t i = 0; i < inputs.size(); ++i) names.push_back({images[i], files[i]});
  return names;
}

}  // namespace osteon::exports
