// SPDX-License-Identifier: Apache-2.0
#include "run/run_folder.hpp"

#include <fstream>
#include <sstream>

#include "base/error.hpp"
#include "base/file.hpp"

namespace osteon::run {
namespace fs = std::filesystem;

void RunFolder::check_usable() const {
  if (!fs::is_directory(root_))
    throw Error(ExitCode::kData, "there is no such run folder; `osteon train RECIPE --out DIR` makes one",
                root_.string());
  if (!fs::exists(recipe()))
    throw Error(ExitCode::kData, "this folder is no run: it has no recipe.toml", root_.string());
}

nlohmann::json RunFolder::read_info() const {
  if (!fs::exists(info())) return nlohmann::json::object();
  try {
    return nlohmann::json::parse(read_file(info()));
  } catch (const nlohmann::json::parse_error& e) {
    throw Error(ExitCode::kData, std::string("the run's description is damaged: ") + e.what(),
                info().string() + ":" + std::to_string(e.byte));
  }
}

void RunFolder::write_info(const nlohmann::json& json) const { write_file_atomically(info(), json.dump(2) + "\n"); }

nlohmann::json plugin_record(const plugin::LoadedComponent& component) {
  return {{"kind", plugin::to_string(component.schema.kind)},
          {"name", component.schema.name},
          {"version", component.schema.version},
          {"path", component.library.string()},
          {"sha256", component.library_sha256}};
}

void MetricsLog::append(const nlohmann::json& line) const {
  std::ofstream file(path_, std::ios::app);
  file << line.dump() << '\n' << std::flush;
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
      if (!line.empty()) lines.push_back(nlohmann::json::parse(line));
    } catch (const nlohmann::json::parse_error&) {
      throw Error(ExitCode::kData, "a line of the metrics is damaged", path_.string() + ":" + std::to_string(offset));
    }
    offset += line.size() + 1;
  }
  return lines;
}

void MetricsLog::keep_up_to(std::int64_t epoch) const {
  std::string kept;
  for (const nlohmann::json& line : read())
    if (line.value("epoch", std::int64_t{0}) <= epoch) kept += line.dump() + "\n";
  write_file_atomically(path_, kept);
}

}  // namespace osteon::run
