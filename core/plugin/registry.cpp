// SPDX-License-Identifier: Apache-2.0
#include "plugin/registry.hpp"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <mutex>

#include <sys/stat.h>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/suggest.hpp"
#include "plugin/cache.hpp"
#include "plugin/descriptor.hpp"
#include "plugin/library.hpp"
#include "plugin/scan.hpp"
#include "plugin/schema_json.hpp"

namespace osteon::plugin {
namespace fs = std::filesystem;
namespace {

void add_environment_folders(std::vector<fs::path>& folders, std::vector<std::string>& warnings) {
  const char* value = std::getenv("OSTEON_PLUGIN_PATH");
  if (value == nullptr || *value == '\0') return;
  const std::string text = value;
  for (std::size_t start = 0; start <= text.size();) {
    const std::size_t end = std::min(text.find(':', start), text.size());
    if (end > start)
      folders.emplace_back(text.substr(start, end - start));
    else  // elsewhere this means the current folder, from which nothing is ever loaded by surprise
      warnings.push_back("OSTEON_PLUGIN_PATH has an empty entry, which is ignored");
    start = end + 1;
  }
}

// Sticky or not: the sticky bit keeps others from removing a plugin, not from adding one.
bool world_writable(const fs::path& folder) {
  struct stat status {};
  return ::stat(folder.c_str(), &status) == 0 && (status.st_mode & S_IWOTH) != 0;
}

// The `.so` files of a folder itself, in order of their names; what lies in folders below is not looked at.
std::vector<fs::path> libraries_in(const fs::path& folder, std::vector<std::string>& warnings) {
  std::vector<fs::path> files;
  std::error_code failure, none;
  for (fs::directory_iterator entry(folder, failure), end; !failure && entry != end; entry.increment(failure)) {
    // A link that leads nowhere is listed with that reason; pipes and the like would block whoever opens them.
    const bool dangling = entry->is_symlink(none) && !entry->exists(none);
    if (entry->path().extension() == ".so" && (entry->is_regular_file(none) || dangling))
      files.push_back(entry->path());
  }
  if (failure) warnings.push_back("the plugin folder " + folder.string() + " cannot be read: " + failure.message());
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

struct Registry::State {
  std::vector<fs::path> folders;
  std::vector<Listing> listings;
  std::vector<ComponentSchema> schemas;
  std::map<std::pair<Kind, std::string>, fs::path> paths;
  std::vector<std::string> warnings;
  std::mutex mutex;

  void add(const fs::path& file, const ScanResult& result) {
    Listing listing;
    listing.path = file;
    listing.abi = result.abi;
    listing.version = result.version;
    if (!result.refusal.empty()) {
      listing.name = file.stem().string();
      listing.reason = result.refusal;
      listings.push_back(std::move(listing));
      return;
    }
    for (const ComponentSchema& schema : result.components) {
      listing.name = schema.name;
      listing.kind = schema.kind;
      listing.version = schema.version;
      const auto [first, added] = paths.try_emplace({schema.kind, schema.name}, file);
      listing.ok = added;
      listing.reason = added ? "" : "the name is taken by " + first->second.string();
      if (added) schemas.push_back(schema);
      listings.push_back(listing);
    }
  }
};

Registry::Registry(RegistryOptions options) : state_(std::make_unique<State>()) {
  State& state = *state_;
  add_environment_folders(options.folders, state.warnings);
  DescriptorCache cache(options.cache_file.empty() ? cache_folder() / "plugins.json" : options.cache_file);
  if (options.rescan) cache.clear();
  for (const fs::path& given : options.folders) {
    fs::path folder = fs::absolute(given).lexically_normal();
    if (!folder.has_filename()) folder = folder.parent_path();  // "plugins/" is "plugins"
    if (std::find(state.folders.begin(), state.folders.end(), folder) != state.folders.end()) continue;
    state.folders.push_back(folder);
    if (std::error_code none; !fs::is_directory(folder, none)) {
      state.warnings.push_back("there is no plugin folder " + folder.string());
      continue;
    }
    if (world_writable(folder)) state.warnings.push_back("anybody may write to the plugin folder " + folder.string());
    for (const fs::path& file : libraries_in(folder, state.warnings)) {
      const std::string identity = identity_of(file);
      std::optional<ScanResult> known = cache.find(file, identity);
      if (!known) {
        known = scan_library(file, options.scanner);
        if (known->sticks) cache.put(file, identity, *known);
      }
      state.add(file, *known);
    }
  }
  cache.save();
  if (!cache.warning().empty()) state.warnings.push_back(cache.warning());
}

Registry::~Registry() = default;

const std::vector<Listing>& Registry::listings() const noexcept { return state_->listings; }
const std::vector<ComponentSchema>& Registry::schemas() const noexcept { return state_->schemas; }
const std::vector<std::string>& Registry::warnings() const noexcept { return state_->warnings; }
const std::vector<fs::path>& Registry::folders() const noexcept { return state_->folders; }

const ComponentSchema* Registry::find(Kind kind, const std::string& name) const noexcept {
  for (const ComponentSchema& schema : state_->schemas)
    if (schema.kind == kind && schema.name == name) return &schema;
  return nullptr;
}

LoadedComponent Registry::load(Kind kind, const std::string& name) {
  const std::lock_guard<std::mutex> lock(state_->mutex);
  const auto found = state_->paths.find({kind, name});
  if (found == state_->paths.end()) {
    std::vector<std::string> names;
    for (const ComponentSchema& schema : state_->schemas)
      if (schema.kind == kind) names.push_back(schema.name);
    throw Error(ExitCode::kUsage,
                std::string("there is no ") + to_string(kind) + " plugin '" + name + "'" + did_you_mean(name, names));
  }
  const fs::path& file = found->second;
  try {
    const OpenLibrary library = open_library(file);
    LoadedComponent component = component_of(*library.plugin, kind, name);
    // A recipe was checked against what the scan said. A library that now says something else is not the one that was
    // meant.
    if (to_json(component.schema) != to_json(*find(kind, name)))
      throw Error(ExitCode::kPlugin,
                  "describes '" + name + "' otherwise than when it was scanned; `osteon plugins list --rescan`");
    component.library = file;
    component.library_sha256 = library.sha256;
    return component;
  } catch (const Error& e) {
    throw Error(e.code(), e.what(), file.string());
  }
}

}  // namespace osteon::plugin
