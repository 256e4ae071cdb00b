// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

namespace osteon {

/// What a child process wrote and how it ended.
struct ChildOutcome {
  std::string out;     ///< its standard output, the first MiB
  std::string err;     ///< its standard error, likewise
  std::string answer;  ///< what it wrote to kAnswerDescriptor, which nothing that merely prints can reach
  int status = 0;      ///< as waitpid gives it
  bool timed_out = false;

  /// Ended by itself with exit code 0.
  bool ended_well() const noexcept;
  /// "crashed: Segmentation fault: LAST LINE OF ITS ERRORS", "did not finish within 60 s", "ended with exit code 3:
  /// LAST LINE OF ITS ERRORS"; empty when it ended well.
  std::string trouble() const;

  std::chrono::milliseconds limit{0};  ///< that it ran under
};

/// The descriptor on which a child answers its parent.
inline constexpr int kAnswerDescriptor = 3;

/// Runs a program to its end, or to the end of `limit`, when it is killed with all that it started. Exec'ed, never
/// forked: this process has threads. Its standard input is empty. Throws Error(kResources) when it cannot be started,
/// Interrupted when `stop` was set. [any-thread]
ChildOutcome run_child(const std::vector<std::string>& arguments, std::chrono::milliseconds limit,
                       const std::atomic<bool>* stop = nullptr);

/// As run_child(), of a copy of this process that calls `body` and exits with what it returns; it shares all that was
/// loaded before. For a process with one thread alone: a copy has no others, and what they hold stays held.
ChildOutcome run_copy(const std::function<int()>& body, std::chrono::milliseconds limit,
                      const std::atomic<bool>* stop = nullptr);

/// A program that answers questions, a line for a line. What it prints is thrown away. One thread at a time.
class ChildSession {
 public:
  /// Throws Error(kResources) when it cannot be started.
  explicit ChildSession(const std::vector<std::string>& arguments);
  /// Its standard input ends; a program that has not ended two seconds later is killed.
  ~ChildSession();
  ChildSession(const ChildSession&) = delete;
  ChildSession& operator=(const ChildSession&) = delete;

  /// Writes `line` to its standard input and waits for a line on kAnswerDescriptor. Nothing when it has ended, or has
  /// not answered within `limit`; then it answers no more. Throws Interrupted when `stop` was set.
  std::optional<std::string> ask(const std::string& line, std::chrono::milliseconds limit,
                                 const std::atomic<bool>* stop = nullptr);

 private:
  pid_t child_ = 0;
  int socket_ = -1;
  bool over_ = false;
  std::string read_;  // and not given out
};

/// In a child: gives its parent the answer that run_child() hands on. Where nobody listens, it goes to standard output.
void answer_parent(const std::string& text);

/// The last line of a text that is not empty.
std::string last_line(std::string text);

}  // namespace osteon
