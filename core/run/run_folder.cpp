// SPDX-License-Identifier: Apache-2.0
#include "run/run_folder.hpp"

#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <utility>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/json.hpp"
#include "recipe/load.hpp"
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

void MetricsLog::append(const nlohmann::json& line) const {
  std::ofstream file(path_, std::ios::app);
  file << json_text(line) << '\n' << std::flush;
  if (!file) throw Error(ExitCode::kResources, "cannot append to the metrics", path_.string());
}

std::vector<nlohmann::json> MetricsLog::read() const {
  std::vector<nlohmann::json> lines;
  if (!fs::exists(path_)) return lines;
  std::istringstream content(read_file(path_));
  std::string line;
  std::size_t offset = 0;
  while (std::getline(content, line)) {
    try {
      if (!line.empty()) lines.push_back(parse_json(line, path_.string()));
    } catch (const Error&) {
      throw Error(ExitCode::kData, "a line of the metrics is damaged", path_.string() + ":" + std::to_string(offset));
    }
    offset += line.size() + 1;
  }
  return lines;
}

void MetricsLog::keep_up_to(std::int64_t epoch) const {
  std::string kept;
  for (const nlohmann::json& line : read())
    if (line.value("epoch", std::int64_t{0}) <= epoch) kept += json_text(line) + "\n";
  write_file_atomically(path_, kept);
}

}  // namespace osteon::run
