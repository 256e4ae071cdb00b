// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "plugin/component.hpp"
#include "plugin/schema.hpp"

namespace osteon::plugin {

/// One component, or one file that was refused, as `plugins list` shows it.
struct Listing {
  std::string name;  ///< of the component; the file's stem when the file was refused as a whole
  std::optional<Kind> kind;
  std::string version;
  std::string abi;  ///< "0.1"; empty when unknown
  std::filesystem::path path;
  bool ok = false;
  std::string reason;  ///< why it was refused; empty when ok
};

struct RegistryOptions {
  /// Searched in this order: the built-in folder (filled in by the program), `--plugin-path`, `OSTEON_PLUGIN_PATH`
  /// (colon-separated). Of two components of one name and kind the first wins, the other is refused with both paths.
  std::vector<std::filesystem::path> folders;
  bool rescan = false;               ///< forget the cache and quarantine
  std::filesystem::path cache_file;  ///< empty: base cache_folder() / "plugins.json"
  /// The program that scans a library in a child process: `PROGRAM scan-plugin FILE` prints its description as JSON.
  std::filesystem::path scanner;
};

/// All plugins that can be found. Reading a library's description runs its code only in a child process, and only when
/// the cache does not know the file as it is now; nothing is loaded into this process before load().
class Registry {
 public:
  explicit Registry(RegistryOptions options);
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  const std::vector<Listing>& listings() const noexcept;
  const std::vector<ComponentSchema>& schemas() const noexcept;
  const ComponentSchema* find(Kind kind, const std::string& name) const noexcept;
  /// Loads the library (once per process) and gives the component. Throws Error(kUsage) for an unknown name,
  /// Error(kPlugin) when the library cannot be loaded or says something else than when it was scanned. Thread-safe.
  LoadedComponent load(Kind kind, const std::string& name);
  /// The folders that were searched, in order.
  const std::vector<std::filesystem::path>& folders() const noexcept;
  /// What one could not do, to be shown once: a cache folder that cannot be written, a world-writable plugin folder.
  const std::vector<std::string>& warnings() const noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// What `scan-plugin` prints: the description of one library as JSON, made by loading it here. Throws Error(kPlugin)
/// with the reason when it is refused.
std::string describe_library(const std::filesystem::path& file);

}  // namespace osteon::plugin
