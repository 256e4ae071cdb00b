// SPDX-License-Identifier: Apache-2.0
#include "engine/kernel_check.hpp"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/wait.h>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/host_library.hpp"
#include "plugin/dependencies.hpp"
#include "plugin/descriptor_cache.hpp"

namespace osteon::engine {
namespace fs = std::filesystem;
namespace {

constexpr char kHoldsOneDnn[] = "ONEDNN_MAX_CPU_ISA";
// Far beyond the two seconds of processor time that the test takes, for machines that are busy.
constexpr std::chrono::seconds kPatience{300};
// Moves when the file's own format does.
constexpr int kMemoryFormat = 1;

std::string environment_value(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

// What decides which libraries are loaded.
std::string loader_environment() {
  return environment_value("LD_LIBRARY_PATH") + "\n" + environment_value("LD_PRELOAD");
}

bool user_holds_onednn() { return std::getenv(kHoldsOneDnn) != nullptr || std::getenv("DNNL_MAX_CPU_ISA") != nullptr; }

// What decides, beside the processor and the libraries, which kernels run.
std::string kernel_environment() {
  std::string text;
  for (const char* name : {kHoldsOneDnn, "DNNL_MAX_CPU_ISA", "ONEDNN_CPU_ISA_HINTS", "DNNL_CPU_ISA_HINTS",
                           "ONEDNN_DEFAULT_FPMATH_MODE", "DNNL_DEFAULT_FPMATH_MODE", "ATEN_CPU_CAPABILITY",
                           "OPENBLAS_CORETYPE", "BLIS_ARCH_TYPE", "MKL_ENABLE_INSTRUCTIONS", "MKL_CBWR"})
    text += fmt::format("{}={}\n", name, environment_value(name));
  return text;
}

// Empty where this processor cannot be told from another.
std::string key_of_this_machine() {
  std::ifstream file("/proc/cpuinfo");
  const std::string processor =
      processor_identity({std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()});
  return processor.empty() ? "" : sha256(processor + kernel_environment());
}

KernelMemory memory_of(const fs::path& engine) {
  const std::string name = "kernels-" + sha256(engine.string() + "\n" + loader_environment()).substr(0, 12) + ".json";
  return KernelMemory(cache_folder() / name, plugin::file_identity, [engine] {
    std::vector<fs::path> libraries = plugin::dependencies_of(engine);
    libraries.push_back(engine);
    libraries.push_back(host_library());
    return libraries;
  });
}

void hold_onednn_to(const std::string& instruction_set) {
  if (instruction_set.empty())
    ::unsetenv(kHoldsOneDnn);
  else
    ::setenv(kHoldsOneDnn, instruction_set.c_str(), 1);
}

KernelReport test_in_children(const fs::path& program, bool users, const std::atomic<bool>* stop) {
  std::string why;
  const auto test = [&](const std::string& instruction_set) -> std::optional<std::vector<KernelFault>> {
    if (!users) hold_onednn_to(instruction_set);
    try {
      const ChildOutcome outcome = run_child({program.string(), "test-kernels"}, kPatience, stop);
      auto faults = faults_by(outcome);
      if (!faults) why = outcome.ended_well() ? "gave no answer" : outcome.trouble();
      return faults;
    } catch (const Interrupted&) {
      throw;
    } catch (const Error& e) {
      why = e.what();
      return std::nullopt;
    }
  };
  KernelReport report = choose_instruction_set(users, test);
  if (!report.tested) report.untested = why;
  return report;
}

void say(const KernelReport& report) {
  if (!report.tested)
    spdlog::warn("LibTorch's kernels are used untested, for their self-test came to no end: {}", report.untested);
  if (!report.held_to.empty())
    spdlog::warn("some of oneDNN's kernels are wrong on this processor, and are kept off with {}={} ({} in {}: {})",
                 kHoldsOneDnn, report.held_to, report.avoided[0].operation, report.avoided[0].precision,
                 report.avoided[0].detail);
  if (const KernelFault* fault = report.fault_in("bfloat16"))
    spdlog::warn("mixed precision is not used: LibTorch's kernels in bfloat16 are wrong here ({}: {})",
                 fault->operation, fault->detail);
}

}  // namespace

KernelReport check_kernels(const fs::path& program, KernelTest test, const std::atomic<bool>* stop) {
  if (test == KernelTest::kNone) return {};
  const bool users = user_holds_onednn();
  KernelMemory memory = memory_of(host_library().parent_path() / OSTEON_ENGINE_LIBRARY);
  const std::string key = key_of_this_machine();
  std::optional<KernelReport> report;
  if (test == KernelTest::kWhereUnknown && !key.empty()) report = memory.find(key);
  if (!report) {
    report = test_in_children(program, users, stop);
    say(*report);
    try {
      if (report->tested && !key.empty()) memory.keep(key, *report);
    } catch (const Error& e) {
      spdlog::warn("the self-test of kernels cannot be remembered and runs at every start: {} ({})", e.what(),
                   e.where());
    }
  }
  if (!users) hold_onednn_to(report->held_to);
  // There is nothing to compute with instead, so that this is said each time.
  if (const KernelFault* fault = report->fault_in("float32"))
    spdlog::error("LibTorch's kernels in float32 are wrong on this machine, and so may be what comes out ({}: {})",
                  fault->operation, fault->detail);
  return *report;
}

std::string kernel_test_begins(const std::string& precision, const std::string& operation) {
  return nlohmann::json{{"begins", {precision, operation}}}.dump() + "\n";
}

std::string kernel_test_found(const std::vector<KernelFault>& faults) {
  KernelReport report;
  report.faults = faults;
  return to_json(report).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

std::optional<std::vector<KernelFault>> faults_by(const ChildOutcome& outcome) {
  std::string precision, operation;
  std::istringstream lines(outcome.answer);
  for (std::string line; std::getline(lines, line);) {
    const nlohmann::json json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (json.is_discarded()) break;  // the last one of a child that crashed
    if (!json.contains("begins")) {
      if (!outcome.ended_well()) break;
      return kernel_report_from_json(json).faults;
    }
    precision = json.at("begins").at(0);
    operation = json.at("begins").at(1);
  }
  constexpr int kCrashes[] = {SIGSEGV, SIGILL, SIGFPE, SIGBUS, SIGABRT, SIGXCPU};
  const bool crashed =
      !outcome.timed_out && WIFSIGNALED(outcome.status) &&
      std::find(std::begin(kCrashes), std::end(kCrashes), WTERMSIG(outcome.status)) != std::end(kCrashes);
  if (!crashed || operation.empty()) return std::nullopt;
  std::vector<KernelFault> faults = {{precision, operation, outcome.trouble()}};
  if (precision == "float32")
    faults.push_back({"bfloat16", operation, "not tested, since float32 " + outcome.trouble()});
  return faults;
}

std::string processor_identity(const std::string& cpuinfo) {
  static const std::set<std::string> kFields = {
      "vendor_id",       "cpu family",       "model",       "model name", "stepping",     "microcode", "flags",
      "CPU implementer", "CPU architecture", "CPU variant", "CPU part",   "CPU revision", "Features"};
  std::set<std::string> found;  // of all cores, which need not be alike
  std::istringstream lines(cpuinfo);
  for (std::string line; std::getline(lines, line);) {
    const std::string field = line.substr(0, line.find_last_not_of("\t ", line.find(':') - 1) + 1);
    if (line.find(':') != std::string::npos && kFields.count(field) > 0) found.insert(line);
  }
  std::string text;
  for (const std::string& line : found) text += line + "\n";
  return text;
}

KernelMemory::KernelMemory(fs::path file, Identify identify, Libraries libraries)
    : file_(std::move(file)), identify_(std::move(identify)), libraries_(std::move(libraries)) {}

std::optional<KernelMemory::Content> KernelMemory::read() const {
  std::error_code none;
  if (!fs::exists(file_, none)) return std::nullopt;
  try {
    const nlohmann::json json = nlohmann::json::parse(read_file(file_));
    if (json.at("format") != kMemoryFormat) return std::nullopt;
    return Content{json.at("libraries"), json.at("answers")};
  } catch (const std::exception&) {
    return std::nullopt;  // damaged, or gone by now: what it held is found out again
  }
}

std::optional<KernelReport> KernelMemory::find(const std::string& key) const {
  const auto content = read();
  if (!content) return std::nullopt;
  const auto answer = content->answers.find(key);
  if (answer == content->answers.end()) return std::nullopt;
  for (const auto& [path, identity] : content->libraries)
    if (identify_(path) != identity) return std::nullopt;
  try {
    return kernel_report_from_json(answer->second);
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;
  }
}

void KernelMemory::keep(const std::string& key, const KernelReport& report) {
  std::map<std::string, std::string> libraries;
  for (const fs::path& path : libraries_()) libraries[path.string()] = identify_(path);
  auto content = read();
  if (!content || content->libraries != libraries) content = Content{libraries, {}};
  content->answers[key] = to_json(report);
  const nlohmann::json json = {
      {"format", kMemoryFormat}, {"libraries", content->libraries}, {"answers", content->answers}};
  write_file_atomically(file_, json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

}  // namespace osteon::engine
