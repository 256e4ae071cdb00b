// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <osteon/abi/call.h>

// A host's call that a check holds the strings of.
namespace osteon::validate {

/// A call whose end the check decides: from the poll `cancel_at` of cancelled() on, here or in a call derived from it,
/// it is to stop. It writes down what a callee does with it that it may not. Logs nothing, shows no progress.
///
/// What `allocate` gives has memory of its own behind and before it that must stay as it is, and begins as NaN (or bits
/// that are all set) where it is small, so that reading what was never written shows.
class SteeredCall {
 public:
  static constexpr std::int64_t kNever = INT64_MAX;
  explicit SteeredCall(int threads = 1, std::int64_t cancel_at = kNever);
  ~SteeredCall();
  SteeredCall(const SteeredCall&) = delete;
  SteeredCall& operator=(const SteeredCall&) = delete;

  const osteon_call* raw() const noexcept;
  /// How often the callee has looked whether it is to stop.
  std::int64_t polls() const noexcept;
  /// How many calls were derived, from it and from those.
  int derived() const;

  /// Fails where the callee has used the call wrongly so far: derived calls that it did not end are among that. `what`
  /// names what returned.
  void expect_settled(const std::string& what) const;

  /// Bytes that calls' `allocate` gave out and that were not released yet, in the whole process.
  static std::int64_t bytes_out() noexcept;

 private:
  struct Book;
  std::unique_ptr<Book> book_;
};

}  // namespace osteon::validate
