// SPDX-License-Identifier: Apache-2.0
#include "engine/kernel_check.hpp"

#include <cstdlib>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.hpp"
#include "plugin/descriptor_cache.hpp"
#include "support/temporary_folder.hpp"

namespace osteon::engine {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

const KernelFault kFault = {"bfloat16", "3x3 convolution", "the result is not finite at [0]"};

ChildOutcome outcome_of(const std::string& script) {
  return run_child({"/bin/sh", "-c", script}, std::chrono::seconds(30));
}

std::string says(const std::string& line) { return "printf '%s' '" + line + "' >&3\n"; }

TEST(KernelAnswer, IsWhatTheChildFound) {
  const auto faults = faults_by(outcome_of(says(kernel_test_begins("float32", "linear layer")) +
                                           says(kernel_test_begins("bfloat16", "3x3 convolution")) +
                                           says(kernel_test_found({kFault}))));
  ASSERT_TRUE(faults);
  ASSERT_EQ(faults->size(), 1u);
  EXPECT_EQ(faults->at(0).detail, kFault.detail);
  const auto none = faults_by(outcome_of(says(kernel_test_found({}))));
  ASSERT_TRUE(none);
  EXPECT_TRUE(none->empty());
}

TEST(KernelAnswer, ACrashIsAFaultOfWhatHadBegun) {
  const auto faults = faults_by(outcome_of(says(kernel_test_begins("bfloat16", "3x3 convolution")) + "kill -ILL $$"));
  ASSERT_TRUE(faults);
  ASSERT_EQ(faults->size(), 1u);
  EXPECT_EQ(faults->at(0).precision, "bfloat16");
  EXPECT_EQ(faults->at(0).operation, "3x3 convolution");
  EXPECT_THAT(faults->at(0).detail, HasSubstr("crashed"));
}

TEST(KernelAnswer, AKernelThatComesToNoEndIsAFault) {
  const auto faults = faults_by(
      outcome_of("ulimit -S -t 1\n" + says(kernel_test_begins("bfloat16", "3x3 convolution")) + "while :; do :; done"));
  ASSERT_TRUE(faults);
  EXPECT_EQ(faults->at(0).operation, "3x3 convolution");
}

TEST(KernelAnswer, ACrashInFloat32LeavesBothPrecisionsUnproven) {
  const auto faults = faults_by(outcome_of(says(kernel_test_begins("float32", "linear layer")) + "kill -SEGV $$"));
  ASSERT_TRUE(faults);
  ASSERT_EQ(faults->size(), 2u);
  EXPECT_EQ(faults->at(0).precision, "float32");
  EXPECT_EQ(faults->at(1).precision, "bfloat16");
}

TEST(KernelAnswer, WhatTheKernelsAreNotToBlameForIsNoAnswer) {
  const std::string begun = says(kernel_test_begins("float32", "linear layer"));
  EXPECT_FALSE(faults_by(outcome_of(begun + "kill -KILL $$"))) << "out of memory";
  EXPECT_FALSE(faults_by(outcome_of(begun + "exit 5")));
  EXPECT_FALSE(faults_by(outcome_of(says(kernel_test_found({})) + "exit 5")));
  EXPECT_FALSE(faults_by(outcome_of("exit 0")));
  EXPECT_FALSE(faults_by(outcome_of("kill -SEGV $$"))) << "before a case began";
  EXPECT_FALSE(faults_by(run_child({"/bin/sh", "-c", begun + "sleep 30"}, std::chrono::milliseconds(200))));
}

TEST(ProcessorIdentity, HasWhatChoosesKernelsAndNothingElse) {
  const std::string one = "processor\t: 0\nmodel name\t: A\nflags\t\t: avx2 amx_bf16\ncpu MHz\t\t: 2000\n\n";
  const std::string same = "processor\t: 7\nmodel name\t: A\nflags\t\t: avx2 amx_bf16\ncpu MHz\t\t: 3100.5\n\n";
  EXPECT_EQ(processor_identity(one), processor_identity(one + same));
  EXPECT_THAT(processor_identity(one), HasSubstr("amx_bf16"));
  EXPECT_NE(processor_identity(one), processor_identity("model name\t: A\nflags\t\t: avx2\n"));
  EXPECT_NE(processor_identity(one), processor_identity(one + "model name\t: A\nflags\t\t: avx2\n")) << "unlike cores";
  EXPECT_EQ(processor_identity(""), "");
  EXPECT_EQ(processor_identity("no colon\n:\n"), "");
}

class KernelMemoryTest : public testing::Test {
 protected:
  KernelMemoryTest() {
    report_.tested = true;
    report_.faults = {kFault};
    std::ofstream(library_) << "some bytes";
  }
  KernelMemory memory() const {
    return KernelMemory(file_, plugin::file_identity, [this] { return std::vector<fs::path>{library_}; });
  }

  test::TemporaryFolder folder_;
  fs::path file_ = folder_ / "cache/kernels.json";
  fs::path library_ = folder_ / "libsome.so";
  KernelReport report_;
};

TEST_F(KernelMemoryTest, RemembersByKey) {
  EXPECT_FALSE(memory().find("here"));
  memory().keep("here", report_);
  memory().keep("there", KernelReport());
  const auto found = memory().find("here");
  ASSERT_TRUE(found);
  EXPECT_EQ(to_json(*found), to_json(report_));
  EXPECT_TRUE(memory().find("there"));
  EXPECT_FALSE(memory().find("elsewhere"));
}

TEST_F(KernelMemoryTest, ForgetsWhenALibraryChanges) {
  memory().keep("here", report_);
  std::ofstream(library_) << "other bytes, more of them";
  EXPECT_FALSE(memory().find("here"));
  memory().keep("there", report_);
  EXPECT_TRUE(memory().find("there"));
  EXPECT_FALSE(memory().find("here")) << "an answer about the library as it was";
}

TEST_F(KernelMemoryTest, FindsOutAnewWhatADamagedFileHeld) {
  memory().keep("here", report_);
  for (const char* content :
       {"", "{", "[]", R"({"format": 1})", R"({"format": 1, "libraries": {}, "answers": {"here": 3}})"}) {
    write_file_atomically(file_, content);
    EXPECT_FALSE(memory().find("here")) << content;
  }
  memory().keep("here", report_);
  EXPECT_TRUE(memory().find("here"));
}

/// A program in whose kernels a fault was put: it answers as `test-kernels` does, and counts how often it is asked.
class FaultyMachine : public testing::Test {
 protected:
  void SetUp() override {
    ::setenv("OSTEON_CACHE_DIR", (folder_ / "cache").c_str(), 1);
    ::unsetenv("ONEDNN_MAX_CPU_ISA");
    ::unsetenv("DNNL_MAX_CPU_ISA");
  }
  void TearDown() override { ::unsetenv("ONEDNN_MAX_CPU_ISA"); }

  // Faulty unless `sound`, a condition of the shell, holds.
  void write_program(const std::string& sound) {
    std::ofstream(program_) << "#!/bin/sh\necho \"$1 $ONEDNN_MAX_CPU_ISA\" >> " << asked_.string() << "\nif " << sound
                            << "; then\n"
                            << says(kernel_test_found({})) << "else\n"
                            << says(kernel_test_found({kFault})) << "fi\n";
    fs::permissions(program_, fs::perms::owner_all);
  }
  std::string asked() const { return fs::exists(asked_) ? read_file(asked_) : ""; }
  static std::string held() {
    const char* value = std::getenv("ONEDNN_MAX_CPU_ISA");
    return value != nullptr ? value : "";
  }

  test::TemporaryFolder folder_;
  fs::path program_ = folder_ / "program", asked_ = folder_ / "asked";
};

constexpr char kWithoutAmx[] = "[ \"$ONEDNN_MAX_CPU_ISA\" = AVX512_CORE_BF16 ]";

TEST_F(FaultyMachine, IsKeptOffItsFaultyKernels) {
  write_program(kWithoutAmx);
  const KernelReport report = check_kernels(program_, KernelTest::kWhereUnknown, nullptr);
  EXPECT_TRUE(report.tested);
  EXPECT_EQ(report.held_to, "AVX512_CORE_BF16");
  EXPECT_EQ(report.fault_in("bfloat16"), nullptr);
  EXPECT_EQ(held(), "AVX512_CORE_BF16") << "what LibTorch loads with";
  EXPECT_EQ(asked(), "test-kernels \ntest-kernels AVX512_CORE_BF16\n");
}

TEST_F(FaultyMachine, IsAskedOnce) {
  write_program(kWithoutAmx);
  check_kernels(program_, KernelTest::kWhereUnknown, nullptr);
  const std::string first = asked();
  ::unsetenv("ONEDNN_MAX_CPU_ISA");  // as in the next process
  const KernelReport again = check_kernels(program_, KernelTest::kWhereUnknown, nullptr);
  EXPECT_EQ(asked(), first);
  EXPECT_EQ(again.held_to, "AVX512_CORE_BF16");
  EXPECT_EQ(held(), "AVX512_CORE_BF16");
  ::unsetenv("ONEDNN_MAX_CPU_ISA");
  check_kernels(program_, KernelTest::kAnew, nullptr);
  EXPECT_EQ(asked(), first + first);
}

TEST_F(FaultyMachine, KeepsWhatItsUserSet) {
  write_program(kWithoutAmx);
  ::setenv("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_AMX", 1);
  const KernelReport report = check_kernels(program_, KernelTest::kWhereUnknown, nullptr);
  EXPECT_EQ(report.held_to, "");
  EXPECT_NE(report.fault_in("bfloat16"), nullptr);
  EXPECT_EQ(held(), "AVX512_CORE_AMX");
}

TEST_F(FaultyMachine, IsLeftAsItIsWhereNothingHelps) {
  write_program("false");
  const KernelReport report = check_kernels(program_, KernelTest::kWhereUnknown, nullptr);
  EXPECT_NE(report.fault_in("bfloat16"), nullptr);
  EXPECT_EQ(std::getenv("ONEDNN_MAX_CPU_ISA"), nullptr);
}

TEST_F(FaultyMachine, IsNotAskedForWhatNeedsNoKernels) {
  write_program("false");
  EXPECT_FALSE(check_kernels(program_, KernelTest::kNone, nullptr).tested);
  EXPECT_EQ(asked(), "");
}

TEST_F(FaultyMachine, WhoseTestCannotRunIsUsedAndAskedAgain) {
  const KernelReport report = check_kernels(folder_ / "no such program", KernelTest::kWhereUnknown, nullptr);
  EXPECT_FALSE(report.tested);
  EXPECT_THAT(report.untested, Not(testing::IsEmpty()));
  write_program("true");
  EXPECT_TRUE(check_kernels(program_, KernelTest::kWhereUnknown, nullptr).tested);
}

}  // namespace
}  // namespace osteon::engine
