// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/child.hpp"
#include "engine/kernel_choice.hpp"

namespace osteon::engine {

/// Whether kernels are tested before an engine uses them: not at all (for what needs none of them, and for the test
/// itself), where no answer is remembered, or once more.
enum class KernelTest { kNone, kWhereUnknown, kAnew };

/// Finds out which kernels of LibTorch and the libraries below are sound here, and has oneDNN keep off those that are
/// not by setting ONEDNN_MAX_CPU_ISA (which it reads as it loads: none of this may be loaded before). A value that the
/// user set stays.
///
/// `program test-kernels` is run in a child process, once for a processor (model and flags), the engine, the libraries
/// that it needs and the environment variables that choose kernels; the answer is kept in the cache folder. What is new
/// is said on stderr. Throws Interrupted when `stop` was set.
KernelReport check_kernels(const std::filesystem::path& program, KernelTest test, const std::atomic<bool>* stop);

/// What a child that tests kernels says, line by line: which case it begins, what it found, that it is done.
std::string kernel_test_begins(const std::string& precision, const std::string& operation);
std::string kernel_test_found(const std::vector<KernelFault>& faults);

/// What became of such a child. One that crashed, or ran out of processor time, has a fault in the case that it had
/// begun, and in all of the precision that it did not get to. Nothing when it ended for another reason before it was
/// done.
std::optional<std::vector<KernelFault>> faults_by(const ChildOutcome& outcome);

/// The processor as the kernel describes it: what chooses kernels, and nothing that changes from day to day. Empty when
/// there is no such description.
std::string processor_identity(const std::string& cpuinfo);

/// What was found out of kernels, kept in a file, for one engine and the libraries it needs in one state of them.
/// `identify` gives a file's state, and `libraries` names the files, which is asked only when something is kept.
class KernelMemory {
 public:
  using Identify = std::function<std::string(const std::filesystem::path&)>;
  using Libraries = std::function<std::vector<std::filesystem::path>()>;
  KernelMemory(std::filesystem::path file, Identify identify, Libraries libraries);

  /// What was kept under `key`, if no library has changed since.
  std::optional<KernelReport> find(const std::string& key) const;
  /// Answers about libraries in another state are dropped. Throws Error(kResources) when the file cannot be written.
  void keep(const std::string& key, const KernelReport& report);

 private:
  struct Content {
    std::map<std::string, std::string> libraries;  // path: identity
    std::map<std::string, nlohmann::json> answers;
  };
  std::optional<Content> read() const;

  std::filesystem::path file_;
  Identify identify_;
  Libraries libraries_;
};

}  // namespace osteon::engine
