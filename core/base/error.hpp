// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

namespace osteon {

/// Exit codes of the program; scripts rely on the numbers.
enum class ExitCode : int {
  kDone = 0,
  kCheckFailed = 1,    ///< ran, and what it checked does not hold
  kUsage = 2,          ///< wrong usage, or a recipe that is refused; nothing was started
  kData = 3,           ///< bad data or a bad file; the message names it
  kPlugin = 4,         ///< a plugin failed or misbehaved; the message names plugin and call
  kResources = 5,      ///< out of memory, device or disk
  kUnforeseen = 70,    ///< an error that nobody foresaw: a fault of the program
  kInterrupted = 130,  ///< stopped by the user; a checkpoint was written where there was one to write
};

/// The one exception type of the host: what went wrong and what to do, where, and the exit code it leads to.
///
/// `where` is a path, `path:byte-offset`, or `file:line:column`; empty when there is no place to point at.
class Error : public std::runtime_error {
 public:
  Error(ExitCode code, const std::string& message, std::string where = {})
      : std::runtime_error(message), code_(code), where_(std::move(where)) {}

  ExitCode code() const noexcept { return code_; }
  const std::string& where() const noexcept { return where_; }

 private:
  ExitCode code_;
  std::string where_;
};

/// Thrown when a person or a caller asked to stop. Leads to exit code 130.
class Interrupted : public Error {
 public:
  explicit Interrupted(const std::string& message = "interrupted") : Error(ExitCode::kInterrupted, message) {}
};

}  // namespace osteon
