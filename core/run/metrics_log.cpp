// SPDX-License-Identifier: Apache-2.0
#include "run/metrics_log.hpp"

#include <fstream>
#include <string>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/json.hpp"

namespace osteon::run {

void MetricsLog::append(const nlohmann::json& line) const {
  std::ofstream file(path_, std::ios::app);
  file << json_text(line) + "\n" << std::flush;
  if (!file) throw Error(ExitCode::kResources, "cannot append to the metrics", path_.string());
}

std::vector<nlohmann::json> MetricsLog::read() const {
  std::vector<nlohmann::json> lines;
  std::error_code none;
  if (!std::filesystem::exists(path_, none)) return lines;
  const std::string content = read_file(path_);
  for (std::size_t start = 0; start < content.size();) {
    const std::size_t end = content.find('\n', start);
    if (end == std::string::npos) break;
    try {
      lines.push_back(parse_json(content.substr(start, end - start), path_.string()));
    } catch (const Error&) {
      // After a power failure the end of a file may be there and its bytes not.
      if (end + 1 == content.size()) break;
      throw Error(ExitCode::kData, "a line of the metrics is damaged", path_.string() + ":" + std::to_string(start));
    }
    start = end + 1;
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
