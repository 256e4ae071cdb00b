// SPDX-License-Identifier: Apache-2.0
#include "engine/kernel_choice.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/error.hpp"

namespace osteon::engine {
namespace {

// From much to little. What comes first leaves out AMX alone, with which oneDNN 2.6.3 loses gradients.
constexpr const char* kInstructionSets[] = {"AVX512_CORE_BF16", "AVX512_CORE", "AVX2"};

const KernelFault* first_in(const std::vector<KernelFault>& faults, const std::string& precision) {
  const auto found = std::find_if(faults.begin(), faults.end(),
                                  [&](const KernelFault& fault) { return fault.precision == precision; });
  return found == faults.end() ? nullptr : &*found;
}

nlohmann::json faults_json(const std::vector<KernelFault>& faults) {
  nlohmann::json list = nlohmann::json::array();
  for (const KernelFault& fault : faults)
    list.push_back({{"precision", fault.precision}, {"operation", fault.operation}, {"detail", fault.detail}});
  return list;
}

std::vector<KernelFault> faults_from_json(const nlohmann::json& list) {
  std::vector<KernelFault> faults;
  for (const nlohmann::json& fault : list)
    faults.push_back({fault.at("precision"), fault.at("operation"), fault.at("detail")});
  return faults;
}

}  // namespace

const KernelFault* KernelReport::fault_in(const std::string& precision) const { return first_in(faults, precision); }

nlohmann::json to_json(const KernelReport& report) {
  nlohmann::json json = {{"tested", report.tested},
                         {"held_to", report.held_to},
                         {"faults", faults_json(report.faults)},
                         {"avoided", faults_json(report.avoided)}};
  if (!report.untested.empty()) json["untested"] = report.untested;
  return json;
}

KernelReport kernel_report_from_json(const nlohmann::json& json) {
  KernelReport report;
  report.tested = json.at("tested");
  report.untested = json.value("untested", "");
  report.held_to = json.at("held_to");
  report.faults = faults_from_json(json.at("faults"));
  report.avoided = faults_from_json(json.at("avoided"));
  if (!report.held_to.empty()) json.at("avoided").at(0);  // the reason
  return report;
}

void expect_sound_kernels(const KernelReport& report, const std::string& precision, const std::string& setting,
                          const std::string& instead) {
  const KernelFault* fault = report.fault_in(precision);
  if (fault == nullptr) return;
  throw Error(ExitCode::kResources,
              fmt::format("{} computes in {}, which this processor and its libraries get wrong ({}: {}); {} "
                          "(`osteon doctor` shows more)",
                          setting, precision, fault->operation, fault->detail, instead));
}

KernelReport choose_instruction_set(bool users, const TestKernels& test) {
  KernelReport report;
  auto faults = test("");
  report.tested = faults.has_value();
  if (!faults) return report;
  report.faults = std::move(*faults);
  if (report.faults.empty() || users) return report;
  const std::vector<KernelFault> as_it_is = report.faults;
  bool float32_is_sound = report.fault_in("float32") == nullptr;
  for (const char* instruction_set : kInstructionSets) {
    auto here = test(instruction_set);
    if (!here) continue;
    const bool better = here->empty() || (!float32_is_sound && first_in(*here, "float32") == nullptr);
    if (!better) continue;
    float32_is_sound = true;
    report.held_to = instruction_set;
    report.avoided = as_it_is;
    report.faults = std::move(*here);
    if (report.faults.empty()) break;
  }
  return report;
}

}  // namespace osteon::engine
