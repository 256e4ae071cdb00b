// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <functional>
#include <string>

// How the program ends when somebody asks it to: SIGINT and SIGTERM.
namespace osteon::plugin {

/// The flag that SIGINT and SIGTERM set; pass it as CallOptions::cancel.
const std::atomic<bool>& interrupted() noexcept;

/// Called once by main. A second signal ends the process at once, with 130.
void install_signal_handlers();

/// Starts the thread that waits for the first signal: it says which function of a plugin is waited for, and ends the
/// process with 130 when that, or one that is called later, has not returned within 5 s. Work of the host, such as
/// writing a checkpoint, is given the time that it takes. Idempotent.
void watch_interrupts();

/// A function of a plugin that is under way, for as long as this lives; nested ones are known by the outermost.
/// [any-thread]
class RunningCall {
 public:
  /// `call` lives for ever.
  RunningCall(std::string who, const char* call);
  ~RunningCall();
  RunningCall(const RunningCall&) = delete;
  RunningCall& operator=(const RunningCall&) = delete;

 private:
  const RunningCall* outer_;
  void* place_ = nullptr;
};

/// What is done before the process is ended because a plugin does not return, for as long as this lives: on a thread of
/// its own, while the plugin's function goes on. Its text is what the user is told. One at a time.
class BeforeForcedEnd {
 public:
  explicit BeforeForcedEnd(std::function<std::string()> action);
  ~BeforeForcedEnd();
  BeforeForcedEnd(const BeforeForcedEnd&) = delete;
  BeforeForcedEnd& operator=(const BeforeForcedEnd&) = delete;
};

}  // namespace osteon::plugin
