// SPDX-License-Identifier: Apache-2.0
#include "plugin/registry.hpp"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <mutex>
#include <tuple>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/suggest.hpp"
#include "plugin/descriptor.hpp"
#include "plugin/descriptor_cache.hpp"
#include "plugin/elf.hpp"
#include "plugin/exposure.hpp"
#include "plugin/library.hpp"
#include "plugin/scan.hpp"
#include "plugin/schema_json.hpp"
#include "plugin/version.hpp"

namespace osteon::plugin {
namespace fs = std::filesystem;
namespace {

// The entries of a variable that holds a list of paths.
std::vector<std::string> entries_of(const char* variable, const char* separators) {
  const char* value = std::getenv(variable);
  std::vector<std::string> entries;
  if (value == nullptr || *value == '\0') return entries;
  const std::string text = value;
  for (std::size_t start = 0; start <= text.size();) {
    const std::size_t end = std::min(text.find_first_of(separators, start), text.size());
    entries.push_back(text.substr(start, end - start));
    start = end + 1;
  }
  return entries;
}

// What stands in the environment holds wherever the program is started, so an entry that means another folder each time
// means none. An empty one is the current folder elsewhere.
void add_environment_folders(std::vector<fs::path>& folders, std::vector<std::string>& warnings) {
  for (const std::string& entry : entries_of("OSTEON_PLUGIN_PATH", ":")) {
    if (fs::path(entry).is_absolute())
      folders.emplace_back(entry);
    else
      warnings.push_back(entry.empty() ? "OSTEON_PLUGIN_PATH has an empty entry, which is ignored"
                                       : "OSTEON_PLUGIN_PATH has the relative entry '" + entry +
                                             "', which is ignored; write it as an absolute path");
  }
}

void warn_of_linker_path(std::vector<std::string>& warnings) {
  for (const std::string& entry : entries_of("LD_LIBRARY_PATH", ":;"))
    if (!fs::path(entry).is_absolute()) {
      warnings.push_back("LD_LIBRARY_PATH has " +
                         (entry.empty() ? "an empty entry" : "the relative entry '" + entry + "'") +
                         ": what plugins need is looked for in the current folder, wherever that is");
      return;
    }
}

std::string join(const std::vector<std::string>& parts, const char* between) {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : between) + part;
  return text;
}

// What a file says it holds, whatever it is refused for: people know a plugin by its name.
std::vector<std::string> claimed_by(const fs::path& file) {
  try {
    return components_of(read_elf(file));
  } catch (const Error&) {
    return {};
  }
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
  struct Place {
    fs::path file;
    std::string sha256;
  };
  fs::path scanner;
  std::vector<fs::path> folders;
  std::vector<AllowList> allow;
  std::vector<Listing> listings;
  std::vector<ComponentSchema> schemas;
  std::map<std::tuple<Kind, std::string, std::string>, Place> places;  // by kind, name, version
  std::vector<std::string> warnings;
  std::mutex mutex;

  bool is_allowed(const KnownLibrary& known) const { return refusal_by(allow, known.sha256).empty(); }

  // What the cache does not say is found out, as far as that is allowed.
  KnownLibrary look_at(const fs::path& file, DescriptorCache& cache) const {
    const std::string identity = identity_of(file);
    KnownLibrary known = cache.find(file, identity);
    if (known.scan || (!known.sha256.empty() && !is_allowed(known))) return known;
    try {
      const PrivateCopy copy(file);
      known.sha256 = copy.sha256();
      if (is_allowed(known)) known.scan = scan_library(file, copy, scanner);
    } catch (const Error& e) {
      if (e.code() != ExitCode::kPlugin) throw;
      known.scan.emplace().refusal = e.what();
      return known;
    }
    cache.put(file, identity, known);
    return known;
  }

  void refuse(const fs::path& file, const std::string& sha256, const std::string& reason) {
    Listing listing;
    listing.claimed = claimed_by(file);
    listing.name = listing.claimed.empty() ? file.stem().string() : join(listing.claimed, ", ");
    listing.path = file;
    listing.sha256 = sha256;
    listing.reason = reason;
    listings.push_back(std::move(listing));
  }

  void add(const fs::path& file, const KnownLibrary& known) {
    const bool was_read = !known.sha256.empty();
    if (was_read && !is_allowed(known)) return refuse(file, known.sha256, refusal_by(allow, known.sha256));
    if (!known.scan->refusal.empty()) return refuse(file, known.sha256, known.scan->refusal);
    Listing listing;
    listing.abi = known.scan->abi;
    listing.path = file;
    listing.sha256 = known.sha256;
    for (ComponentSchema schema : known.scan->components) {
      schema.library_sha256 = known.sha256;
      listing.name = schema.name;
      listing.kind = to_string(schema.kind);
      listing.version = schema.version;
      const auto [first, added] =
          places.try_emplace({schema.kind, schema.name, schema.version}, Place{file, known.sha256});
      listing.status = added ? Listing::Status::kOk : Listing::Status::kRefused;
      listing.reason = added ? "" : "name and version are taken by " + first->second.file.string();
      if (added) schemas.push_back(schema);
      listings.push_back(listing);
    }
    listing.status = Listing::Status::kSkipped;
    for (const SkippedComponent& skipped : known.scan->skipped) {
      listing.name = skipped.name;
      listing.kind = skipped.kind;
      listing.version = skipped.version;
      listing.reason = skipped.reason;
      listings.push_back(listing);
    }
  }

  void search(const fs::path& given, DescriptorCache& cache) {
    if (given.empty())
      throw Error(ExitCode::kUsage, "a plugin folder without a name; the current one is '--plugin-path .'");
    fs::path folder = fs::absolute(given).lexically_normal();
    if (!folder.has_filename()) folder = folder.parent_path();  // "plugins/" is "plugins"
    if (std::find(folders.begin(), folders.end(), folder) != folders.end()) return;
    folders.push_back(folder);
    if (std::error_code none; !fs::is_directory(folder, none)) {
      warnings.push_back("there is no plugin folder " + folder.string());
      return;
    }
    const std::vector<fs::path> files = libraries_in(folder, warnings);
    if (std::string exposure = exposure_of(folder, files, scanner); !exposure.empty())
      warnings.push_back(std::move(exposure));
    for (const fs::path& file : files) add(file, look_at(file, cache));
  }
};

Registry::Registry(RegistryOptions options) : state_(std::make_unique<State>()) {
  State& state = *state_;
  state.scanner = options.scanner;
  state.allow = operator_allow_lists(options.scanner);
  state.allow.insert(state.allow.end(), options.allow.begin(), options.allow.end());
  add_environment_folders(options.folders, state.warnings);
  warn_of_linker_path(state.warnings);
  DescriptorCache cache(options.cache_file.empty() ? cache_folder() / "plugins.json" : options.cache_file);
  if (options.rescan) cache.clear();
  for (const fs::path& folder : options.folders) state.search(folder, cache);
  cache.save();
  if (!cache.warning().empty()) state.warnings.push_back(cache.warning());
}

Registry::~Registry() = default;

const std::vector<Listing>& Registry::listings() const noexcept { return state_->listings; }
const std::vector<ComponentSchema>& Registry::schemas() const noexcept { return state_->schemas; }
const std::vector<std::string>& Registry::warnings() const noexcept { return state_->warnings; }
const std::vector<fs::path>& Registry::folders() const noexcept { return state_->folders; }
const std::vector<AllowList>& Registry::allow_lists() const noexcept { return state_->allow; }

const char* to_string(Listing::Status status) noexcept {
  switch (status) {
    case Listing::Status::kOk:
      return "ok";
    case Listing::Status::kSkipped:
      return "skipped";
    case Listing::Status::kRefused:
      break;
  }
  return "refused";
}

const ComponentSchema* Registry::find(Kind kind, const std::string& name, const std::string& version) const {
  return highest(state_->schemas, kind, name, version);
}

LoadedComponent Registry::load(Kind kind, const std::string& name, const std::string& version) {
  const std::lock_guard<std::mutex> lock(state_->mutex);
  const ComponentSchema* wanted = find(kind, name, version);
  if (wanted == nullptr) {
    std::vector<std::string> names, versions;
    for (const ComponentSchema& schema : state_->schemas) {
      if (schema.kind == kind) names.push_back(schema.name);
      if (schema.kind == kind && schema.name == name) versions.push_back(schema.version);
    }
    const std::string what = std::string("there is no ") + to_string(kind) + " plugin '" + name + "'";
    if (versions.empty()) throw Error(ExitCode::kUsage, what + did_you_mean(name, names));
    throw Error(ExitCode::kUsage, what + " of version " + version + "; there is " + join(versions, ", "));
  }
  const auto& [file, sha256] = state_->places.at({kind, name, wanted->version});
  try {
    PrivateCopy copy(file);
    // Lists of allowed libraries, and the recipe, were asked about those bytes.
    if (copy.sha256() != sha256)
      throw Error(ExitCode::kPlugin, "has changed since it was looked at, from sha256:" + sha256 +
                                         " to sha256:" + copy.sha256() +
                                         "; start again, after `osteon plugins list --rescan` if need be");
    const OpenLibrary library = open_library(std::move(copy));
    LoadedComponent component = component_of(*library.plugin, kind, name, wanted->version);
    // A recipe was checked against what the scan said. A library that now says something else is not the one that was
    // meant.
    if (to_json(component.schema) != to_json(*wanted))
      throw Error(ExitCode::kPlugin,
                  "describes '" + name + "' otherwise than when it was scanned; `osteon plugins list --rescan`");
    component.schema.library_sha256 = library.sha256;
    component.library = file;
    component.library_sha256 = library.sha256;
    return component;
  } catch (const Error& e) {
    throw Error(e.code(), e.what(), file.string());
  }
}

}  // namespace osteon::plugin
