// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "plugin/allow_list.hpp"
#include "plugin/component.hpp"
#include "plugin/schema.hpp"

namespace osteon::plugin {

/// One component, or one file that was refused, as `plugins list` shows it.
struct Listing {
  enum class Status { kOk, kRefused, kSkipped };
  std::string name;  ///< of the component; of a file that was refused as a whole the names of the components that it
                     ///< says it holds, separated by ", ", else its stem
  std::vector<std::string> claimed;  ///< those names; empty for a component
  std::string kind;  ///< "model", ..., "kind 6" of one that this host does not know; empty when a file was refused
  std::string version;
  std::string abi;  ///< "0.2"; empty when unknown
  std::filesystem::path path;
  std::string sha256;  ///< of the file; empty when it cannot be read
  Status status = Status::kRefused;
  std::string reason;  ///< why it was refused, or skipped because it is newer than this host; empty when ok
  bool ok() const noexcept { return status == Status::kOk; }
};
/// "ok", "refused", "skipped".
const char* to_string(Listing::Status status) noexcept;

struct RegistryOptions {
  /// Searched in this order: the built-in folder (filled in by the program), `--plugin-path`, `OSTEON_PLUGIN_PATH`
  /// (colon-separated absolute paths; others are ignored, with a warning). A relative path here is one that somebody
  /// gave with this very start, and starts from the current folder. Of two components of one kind, name and version
  /// the first wins, the other is refused with both paths; of two versions the highest is taken where none is asked
  /// for, wherever they lie.
  std::vector<std::filesystem::path> folders;
  /// Lists that hold beside the operator's, which the registry reads itself.
  std::vector<AllowList> allow;
  bool rescan = false;               ///< forget the cache and quarantine
  std::filesystem::path cache_file;  ///< empty: base cache_folder() / "plugins.json"
  /// The program that scans a library in a child process: `PROGRAM scan-plugin FILE SHA256` prints its description as
  /// JSON.
  std::filesystem::path scanner;
};

/// All plugins that can be found. Reading a library's description runs its code only in a child process, and only when
/// the cache does not know the file as it is now; nothing is loaded into this process before load(). No code of a
/// library that a list of allowed ones leaves out is run anywhere.
class Registry {
 public:
  /// Throws Error(kUsage) for a folder without a name, and as operator_allow_lists() does.
  explicit Registry(RegistryOptions options);
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  const std::vector<Listing>& listings() const noexcept;
  const std::vector<ComponentSchema>& schemas() const noexcept;
  /// The highest version of a component that `version` means ("1.2": any 1.2.x; empty: any); nullptr when there is
  /// none.
  const ComponentSchema* find(Kind kind, const std::string& name, const std::string& version = "") const;
  /// Loads the library (once per process) and gives the component. What is loaded are the bytes that were scanned, and
  /// that lists of allowed libraries were asked about. Throws Error(kUsage) for an unknown name or version,
  /// Error(kPlugin) when the file has changed since, cannot be loaded, or says something else than when it was scanned.
  /// Thread-safe.
  LoadedComponent load(Kind kind, const std::string& name, const std::string& version = "");
  /// The folders that were searched, in order.
  const std::vector<std::filesystem::path>& folders() const noexcept;
  /// The lists in force: a library has to be in all of them.
  const std::vector<AllowList>& allow_lists() const noexcept;
  /// What one could not do, or should know, to be shown once: a cache folder that cannot be written, a plugin folder
  /// that others may write to, entries of environment variables that are ignored.
  const std::vector<std::string>& warnings() const noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace osteon::plugin
