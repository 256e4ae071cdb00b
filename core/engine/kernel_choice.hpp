// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace osteon::engine {

/// What a kernel gave that it should not have given, on the CPU.
struct KernelFault {
  std::string precision;  ///< "float32" or "bfloat16"
  std::string operation;  ///< "3x3 convolution of 32 to 32 channels, 24 x 32"
  std::string detail;     ///< "the gradient of the weights is not finite at [0, 3, 1, 2]"
};

/// What is known of the kernels that training and prediction run on the CPU.
struct KernelReport {
  bool tested = false;
  std::string untested;              ///< why they are not, where that was tried
  std::string held_to;               ///< the instruction set that oneDNN is held to because of `avoided`; empty: none
  std::vector<KernelFault> faults;   ///< of the kernels in use
  std::vector<KernelFault> avoided;  ///< of those that would be in use if oneDNN were not held to `held_to`

  /// The first fault in `precision`; nullptr when it can be used.
  const KernelFault* fault_in(const std::string& precision) const;
};

/// {"tested", "held_to", "faults": [{"precision", "operation", "detail"}], "avoided": [...]}, and "untested" where they
/// are not.
nlohmann::json to_json(const KernelReport& report);
/// Throws nlohmann::json::exception.
KernelReport kernel_report_from_json(const nlohmann::json& json);

/// Throws Error(kResources) when kernels in `precision` are faulty: `setting` ("train.precision = \"amp\"") asked for
/// it, and `instead` says what does without.
void expect_sound_kernels(const KernelReport& report, const std::string& precision, const std::string& setting,
                          const std::string& instead);

/// The faults under a setting of ONEDNN_MAX_CPU_ISA ("" is: as it is); nothing when they could not be found out.
using TestKernels = std::function<std::optional<std::vector<KernelFault>>(const std::string& instruction_set)>;

/// The instruction set to hold oneDNN to: none where its kernels are sound as they are. Else the first of
/// AVX512_CORE_BF16, AVX512_CORE and AVX2 under which all are; where none is, the first under which float32 is, for
/// bfloat16 can be done without; else none. Settings after the chosen one are not tested. A setting of the user's
/// stands.
KernelReport choose_instruction_set(bool users, const TestKernels& test);

}  // namespace osteon::engine
