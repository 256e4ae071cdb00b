// SPDX-License-Identifier: Apache-2.0
#include "engine/kernel_choice.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"

namespace osteon::engine {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const KernelFault kHalf = {"bfloat16", "3x3 convolution", "the gradient of the weights is not finite at [0]"};
const KernelFault kFull = {"float32", "1x1 convolution", "the result is 1 instead of 2 at [0]"};

/// A machine: what is faulty under each setting, and which settings were tried.
struct Machine {
  std::map<std::string, std::vector<KernelFault>> faults;
  std::vector<std::string> tried = {};

  KernelReport choose(bool users = false) {
    return choose_instruction_set(users, [this](const std::string& set) {
      tried.push_back(set);
      return std::optional(faults[set]);
    });
  }
};

TEST(KernelChoice, LeavesSoundKernelsAsTheyAre) {
  Machine machine;
  const KernelReport report = machine.choose();
  EXPECT_TRUE(report.tested);
  EXPECT_EQ(report.held_to, "");
  EXPECT_THAT(machine.tried, ElementsAre(""));
}

TEST(KernelChoice, KeepsOffAmxWhereOnlyItIsFaulty) {
  Machine machine{{{"", {kHalf}}}};
  const KernelReport report = machine.choose();
  EXPECT_EQ(report.held_to, "AVX512_CORE_BF16");
  EXPECT_TRUE(report.faults.empty());
  ASSERT_EQ(report.avoided.size(), 1u);
  EXPECT_EQ(report.avoided[0].detail, kHalf.detail);
  EXPECT_THAT(machine.tried, ElementsAre("", "AVX512_CORE_BF16"));
}

TEST(KernelChoice, GoesDownUntilAllIsSound) {
  Machine machine{{{"", {kHalf}}, {"AVX512_CORE_BF16", {kHalf}}, {"AVX512_CORE", {kFull}}}};
  EXPECT_EQ(machine.choose().held_to, "AVX2");
}

TEST(KernelChoice, DoesWithoutAPrecisionThatIsFaultyEverywhere) {
  Machine machine{{{"", {kHalf}}, {"AVX512_CORE_BF16", {kHalf}}, {"AVX512_CORE", {kHalf}}, {"AVX2", {kHalf}}}};
  const KernelReport report = machine.choose();
  EXPECT_EQ(report.held_to, "");
  EXPECT_NE(report.fault_in("bfloat16"), nullptr);
  EXPECT_EQ(report.fault_in("float32"), nullptr);
  EXPECT_TRUE(report.avoided.empty());
}

TEST(KernelChoice, TakesASoundFloat32OverAllElse) {
  Machine machine{{{"", {kFull}}, {"AVX512_CORE_BF16", {kFull, kHalf}}, {"AVX512_CORE", {kHalf}}, {"AVX2", {kHalf}}}};
  const KernelReport report = machine.choose();
  EXPECT_EQ(report.held_to, "AVX512_CORE");
  EXPECT_EQ(report.fault_in("float32"), nullptr);
  EXPECT_NE(report.fault_in("bfloat16"), nullptr);
}

TEST(KernelChoice, GoesOnFromASoundFloat32ToWhereAllIsSound) {
  Machine machine{{{"", {kFull}}, {"AVX512_CORE_BF16", {kHalf}}, {"AVX512_CORE", {kHalf}}}};
  EXPECT_EQ(machine.choose().held_to, "AVX2");
}

TEST(KernelChoice, LeavesWhatTheUserSet) {
  Machine machine{{{"", {kHalf}}}};
  const KernelReport report = machine.choose(/*users=*/true);
  EXPECT_EQ(report.held_to, "");
  EXPECT_NE(report.fault_in("bfloat16"), nullptr);
  EXPECT_THAT(machine.tried, ElementsAre(""));
}

TEST(KernelChoice, SaysThatNothingIsKnownWhereNothingCouldBeTested) {
  const KernelReport report = choose_instruction_set(false, [](const std::string&) { return std::nullopt; });
  EXPECT_FALSE(report.tested);
  EXPECT_TRUE(report.faults.empty());
}

TEST(KernelChoice, PassesOverASettingThatCannotBeTested) {
  const KernelReport report =
      choose_instruction_set(false, [](const std::string& set) -> std::optional<std::vector<KernelFault>> {
        if (set == "AVX512_CORE_BF16") return std::nullopt;
        return set.empty() ? std::vector<KernelFault>{kHalf} : std::vector<KernelFault>{};
      });
  EXPECT_EQ(report.held_to, "AVX512_CORE");
}

TEST(KernelReport, SurvivesJson) {
  KernelReport report;
  report.tested = true;
  report.held_to = "AVX2";
  report.faults = {kHalf};
  report.avoided = {kFull, kHalf};
  EXPECT_EQ(to_json(kernel_report_from_json(to_json(report))), to_json(report));
}

TEST(KernelReport, HoldsToNothingWithoutAReason) {
  KernelReport report;
  report.held_to = "AVX2";
  EXPECT_THROW(kernel_report_from_json(to_json(report)), nlohmann::json::exception);
}

TEST(KernelReport, RefusesAFaultyPrecisionAndNoOther) {
  KernelReport report;
  report.faults = {kHalf};
  EXPECT_NO_THROW(expect_sound_kernels(report, "float32", "predict", "nothing does"));
  try {
    expect_sound_kernels(report, "bfloat16", "train.precision = \"amp\"", "\"fp32\" trains without");
    FAIL() << "it was let through";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::kResources);
    for (const char* part : {"train.precision = \"amp\"", "bfloat16", "3x3 convolution", "not finite", "\"fp32\""})
      EXPECT_THAT(e.what(), HasSubstr(part));
  }
}

}  // namespace
}  // namespace osteon::engine
