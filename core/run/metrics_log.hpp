// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include <nlohmann/json.hpp>

namespace osteon::run {

/// Lines of metrics.jsonl. Appending flushes each line; a resumed run first cuts the file back to the epochs it keeps.
class MetricsLog {
 public:
  explicit MetricsLog(std::filesystem::path path) : path_(std::move(path)) {}
  void append(const nlohmann::json& line) const;
  /// Keeps the lines whose "epoch" is at most `epoch`, and all of them whole.
  void keep_up_to(std::int64_t epoch) const;
  /// A last line that a killed process left half written is none. Throws Error(kData) for any other damage.
  std::vector<nlohmann::json> read() const;

 private:
  std::filesystem::path path_;
};

}  // namespace osteon::run
