// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

namespace osteon::validate {

/// Ends a check that hangs. A machine that is busy with other things does not make it hang: what counts is the
/// processor time of this process, and for one that waits for ever, that it has used none for a while.
class Watchdog {
 public:
  /// @param limit  twice this much processor time, or this much of any time and standing still at its end
  /// @param bark   called on another thread, once, with "did not finish within 60 s"; ends the process
  Watchdog(std::chrono::milliseconds limit, std::function<void(const std::string&)> bark);
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

 private:
  void watch(std::chrono::milliseconds limit, const std::function<void(const std::string&)>& bark);
  std::mutex mutex_;
  std::condition_variable changed_;
  bool over_ = false;
  std::thread thread_;
};

}  // namespace osteon::validate
