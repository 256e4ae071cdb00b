// SPDX-License-Identifier: Apache-2.0
#include "run/run_folder.hpp"

#include <cerrno>
#include <csignal>
#include <map>
#include <optional>
#include <regex>
#include <set>
#include <utility>

#include <unistd.h>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/json.hpp"
#include "recipe/load_recipe.hpp"
#include "recipe/value.hpp"
#include "weights/shard_index.hpp"

namespace osteon::run {
namespace fs = std::filesystem;
namespace {

/// The copies that a run keeps, in one folder, and their names.
class FileCopies {
 public:
  explicit FileCopies(fs::path folder) : folder_(std::move(folder)) {}

  /// The name that the copy of `file` gets: its own, with a number where another file has taken that.
  std::string name_of(const fs::path& file) {
    const auto known = names_.find(file);
    if (known != names_.end()) return known->second;
    return names_.emplace(file, free_name((file.has_filename() ? file : file.parent_path()).filename())).first->second;
  }

  /// The same for a file that names others beside it: all of them get a folder together.
  std::string name_of(const fs::path& file, const std::vector<fs::path>& others) {
    if (others.empty() || names_.count(file) != 0) return name_of(file);
    const fs::path together = free_name(file.stem());
    for (const fs::path& other : others) names_.emplace(other, together / other.filename());
    return names_.emplace(file, together / file.filename()).first->second;
  }

  /// Copies what is not there yet, and removes what an earlier run has left.
  void make() const {
    try {
      // All of them to another folder first, for one copy's place may be where another comes from.
      const fs::path fresh = folder_ / ".new";
      fs::remove_all(fresh);
      for (const auto& [file, name] : names_) {
        const fs::path place = folder_ / name;
        if (fs::exists(place) && fs::equivalent(file, place)) continue;
        fs::create_directories((fresh / name).parent_path());
        fs::copy(file, fresh / name, fs::copy_options::recursive);
      }
      for (const auto& [file, name] : names_) {
        if (!fs::exists(fresh / name)) continue;
        fs::remove_all(folder_ / name);
        if (const fs::path parent = (folder_ / name).parent_path(); !fs::is_directory(parent)) fs::remove(parent);
        fs::create_directories((folder_ / name).parent_path());
        fs::rename(fresh / name, folder_ / name);
      }
      if (!fs::exists(folder_)) return;
      for (const auto& entry : std::vector<fs::directory_entry>(fs::directory_iterator(folder_), {}))
        if (taken_.count(entry.path().filename().string()) == 0) fs::remove_all(entry.path());
      if (names_.empty()) fs::remove(folder_);
    } catch (const fs::filesystem_error& e) {
      throw Error(ExitCode::kResources, "cannot keep a copy of what the recipe names: " + e.code().message(),
                  e.path1().string());
    }
  }

 private:
  std::string free_name(const fs::path& wanted) {
    std::string name = wanted.string();
    for (int i = 2; !taken_.insert(name).second; ++i) name = std::to_string(i) + "-" + wanted.string();
    return name;
  }

  fs::path folder_;
  std::map<fs::path, std::string> names_;
  std::set<std::string> taken_;
};

/// The process that writes an unfinished file, as write_atomically names them: ".STEM.PID.part.EXTENSION".
std::optional<pid_t> writer_of(const fs::path& file) {
  static const std::regex kName(R"(\..+\.(\d{1,9})\.part(\.[^.]*)?)");
  const std::string name = file.filename().string();
  std::smatch match;
  if (!std::regex_match(name, match, kName)) return std::nullopt;
  return static_cast<pid_t>(std::stol(match[1]));
}

/// What `evaluate` left, of whatever subset.
std::vector<fs::path> evaluations(const fs::path& root) {
  std::vector<fs::path> files;
  std::error_code none;
  for (fs::directory_iterator entry(root, none), end; !none && entry != end; entry.increment(none))
    if (entry->path().filename().string().rfind("evaluation", 0) == 0 && entry->is_regular_file(none))
      files.push_back(entry->path());
  return files;
}

void remove_file(const fs::path& file) {
  std::error_code failure;
  fs::remove(file, failure);
  if (failure) throw Error(ExitCode::kResources, "cannot remove the file: " + failure.message(), file.string());
}

}  // namespace

void RunFolder::check_usable() const {
  if (!fs::is_directory(root_))
    throw Error(ExitCode::kData, "there is no such run folder; `osteon train RECIPE --out DIR` makes one",
                root_.string());
  if (!fs::exists(recipe()))
    throw Error(ExitCode::kData, "this folder is no run: it has no recipe.toml", root_.string());
}

void RunFolder::write_recipe(const recipe::Recipe& recipe) const {
  FileCopies copies(files());
  std::vector<recipe::Origin> origins = recipe.origins;
  for (recipe::Origin& origin : origins) {
    if (origin.files.empty()) continue;
    plugin::ParameterSpec spec;
    spec.type = plugin::ParameterType::kPath;
    spec.list = origin.value.front() == '[';
    std::vector<std::string> names;
    for (const std::string& file : origin.files) {
      const bool may_name_shards = origin.key == "model.weights" && !file.empty();
      const std::vector<fs::path> shards = may_name_shards ? weights::shards_of(file) : std::vector<fs::path>();
      names.push_back(file.empty() ? "" : "files/" + copies.name_of(file, shards));
    }
    origin.value = recipe::toml_text(names, spec);
  }
  copies.make();
  write_file_atomically(this->recipe(), recipe::resolved_toml(origins));
}

bool RunFolder::is_run() const {
  std::error_code none;
  return fs::exists(recipe(), none) || fs::exists(info(), none);
}

bool RunFolder::is_blank() const {
  std::error_code none;
  for (fs::directory_iterator entry(root_, none), end; !none && entry != end; entry.increment(none))
    if (!writer_of(entry->path())) return false;
  return true;
}

bool RunFolder::is_done() const {
  const nlohmann::json info = read_info();
  std::error_code none;
  return info.empty() ? fs::exists(model(), none) : info.value("status", "") == "done";
}

void RunFolder::begin(const recipe::Recipe& recipe, const nlohmann::json& info) const {
  write_info(info);
  // Without this file the folder's run has none to go on from, so it goes before the recipe changes.
  remove_file(checkpoint());
  write_recipe(recipe);
  for (const fs::path& file : {model(), fitted(), metrics()}) remove_file(file);
  for (const fs::path& file : evaluations(root_)) remove_file(file);
}

void RunFolder::remove_leftovers() const {
  std::error_code none;
  std::vector<fs::path> leftovers;
  for (fs::directory_iterator entry(root_, none), end; !none && entry != end; entry.increment(none)) {
    const auto writer = writer_of(entry->path());
    // A process of the same number as ours is of another start of the system, or of another container.
    if (writer && (*writer == ::getpid() || (::kill(*writer, 0) != 0 && errno == ESRCH)))
      leftovers.push_back(entry->path());
  }
  for (const fs::path& file : leftovers) fs::remove(file, none);
}

nlohmann::json RunFolder::read_info() const {
  if (!fs::exists(info())) return nlohmann::json::object();
  nlohmann::json json = parse_json(read_file(info()), info().string());
  if (!json.is_object()) throw Error(ExitCode::kData, "the run's description is no object", info().string());
  return json;
}

void RunFolder::write_info(const nlohmann::json& json) const {
  write_file_atomically(info(), json_text(json, 2) + "\n");
}

nlohmann::json plugin_record(const plugin::LoadedComponent& component) {
  return {{"kind", plugin::to_string(component.schema.kind)},
          {"name", component.schema.name},
          {"version", component.schema.version},
          {"path", component.library.string()},
          {"sha256", component.library_sha256}};
}

}  // namespace osteon::run
