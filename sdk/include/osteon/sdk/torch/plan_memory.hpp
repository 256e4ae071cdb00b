// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <utility>

#include <torch/version.h>
#include <unistd.h>

#include <osteon/sdk/torch/parameters.hpp>

namespace osteon::sdk::detail {

/// What was found out of one key of an inference plan. The time of a strategy that was not measured is 0.
template <std::size_t n>
struct PlanFindings {
  std::size_t choice = 0;
  std::array<double, n> ms{};
  std::array<std::string, n> dropped;  ///< why; empty: it was a candidate to the end
};

/// Findings that processes leave to those after them, a small file for each key in the folder that the host names in
/// OSTEON_PLAN_FOLDER; without it, nothing is kept.
///
/// They are about speed alone: whoever takes them over compares results before it relies on them. So a file is known
/// by what decides on speed (the shapes of the network's tensors, LibTorch, the processor and machine, the key), and
/// another build of the same network may find it.
class PlanMemory {
 public:
  static std::filesystem::path folder() {
    const char* name = std::getenv("OSTEON_PLAN_FOLDER");
    return name != nullptr ? name : "";
  }

  PlanMemory(Network& network, const ParameterTable& parameters) : network_(network), parameters_(parameters) {}

  template <std::size_t n>
  std::optional<PlanFindings<n>> find(const std::string& key) const {
    if (folder().empty()) return std::nullopt;
    const std::string whole = whole_key(key);
    std::ifstream file(file_of(whole));
    std::string known;
    PlanFindings<n> findings;
    if (!std::getline(file, known) || known != whole || !(file >> findings.choice)) return std::nullopt;
    for (std::size_t i = 0; i < n; ++i)
      if (!(file >> findings.ms[i] >> std::ws) || !std::getline(file, findings.dropped[i]) ||
          findings.dropped[i].rfind(kBegin, 0) != 0)
        return std::nullopt;
    for (std::string& why : findings.dropped) why.erase(0, sizeof kBegin - 1);
    if (findings.choice >= n || !findings.dropped[findings.choice].empty()) return std::nullopt;
    return findings;
  }

  /// False when they cannot be written.
  template <std::size_t n>
  bool keep(const std::string& key, const PlanFindings<n>& findings) const {
    if (folder().empty()) return true;
    const std::string whole = whole_key(key);
    const std::filesystem::path path = file_of(whole);
    const std::filesystem::path part = path.string() + "." + std::to_string(::getpid()) + ".part";
    std::error_code failure;
    std::filesystem::create_directories(path.parent_path(), failure);
    std::ofstream file(part);
    file << whole << '\n' << findings.choice << '\n';
    for (std::size_t i = 0; i < n; ++i)
      file << findings.ms[i] << ' ' << kBegin << one_line(findings.dropped[i]) << '\n';
    file.close();
    if (file) std::filesystem::rename(part, path, failure);
    if (file && !failure) return true;
    std::filesystem::remove(part, failure);
    return false;
  }

 private:
  static constexpr char kBegin[] = "dropped:";  // before a reason, which may be empty

  static std::string one_line(std::string text) {
    for (char& c : text)
      if (c == '\n' || c == '\r') c = ' ';
    return text;
  }

  /// FNV-1a.
  static std::uint64_t hash(const std::string& text) {
    std::uint64_t value = 0xcbf29ce484222325u;
    for (const unsigned char c : text) value = (value ^ c) * 0x100000001b3u;
    return value;
  }
  static std::string hexadecimal(std::uint64_t value) {
    std::ostringstream text;
    text << std::hex << value;
    return text.str();
  }
  static std::filesystem::path file_of(const std::string& whole) {
    return folder() / (hexadecimal(hash(whole)) + ".plan");
  }

  /// The processor's name, and the machine's where it has one.
  static const std::string& machine() {
    static const std::string kMachine = [] {
      std::string line, processor, id;
      std::ifstream processors("/proc/cpuinfo");
      while (processor.empty() && std::getline(processors, line))
        if (line.rfind("model name", 0) == 0) processor = line.substr(line.find(':') + 1);
      std::ifstream("/etc/machine-id") >> id;
      return processor + " " + id;
    }();
    return kMachine;
  }

  std::string whole_key(const std::string& key) const {
    std::string tensors;
    for (std::size_t i = 0; i < parameters_.size(); ++i) tensors += c10::str(parameters_.value(i).sizes()) + ";";
    return one_line("plan 1, " + network_.module().name() + " " + hexadecimal(hash(tensors)) + ", LibTorch " +
                    TORCH_VERSION + ", " + machine() + ", " + key);
  }

  Network& network_;
  const ParameterTable& parameters_;
};

}  // namespace osteon::sdk::detail
