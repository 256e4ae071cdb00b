// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>

namespace osteon::report {

/// Progress on stderr: a live bar with rate and remaining time on a terminal; elsewhere a plain line now and then
/// (every 15 s, and at the end). Thread-safe.
class Progress {
 public:
  /// `what` stands in front ("epoch 3/20"), `unit` behind the rate ("images").
  Progress(std::string what, std::int64_t total, std::string unit);
  /// Ends the line when finish() was not called.
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void advance(std::int64_t by, const std::string& note = {});
  /// Removes the bar. A line printed after it starts in the first column.
  void finish();

 private:
  void draw();
  std::mutex mutex_;
  std::string what_, unit_, note_;
  std::int64_t total_, done_ = 0;
  std::chrono::steady_clock::time_point start_, drawn_;
  bool terminal_, visible_ = false, finished_ = false;
};

/// "1:05" or "2:03:10" for seconds.
std::string duration_text(double seconds);

}  // namespace osteon::report
