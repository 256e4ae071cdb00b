// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "weights/pickle.hpp"

namespace osteon::weights {

// What a hostile pickle can make us do: half a second and 170 MB at most (measured). A tensor takes some 18 objects and
// 35 steps.
inline constexpr std::size_t kMaxPickleValues = 2'000'000, kMaxPickleSteps = 8'000'000;

/// The objects of a pickle that is being read: all that were made, a stack of those in use, which marks divide, and a
/// memo by numbers. What a pickle asks for beyond what there is throws Error(kData) at `path:byte offset`.
class PickleStack {
 public:
  std::vector<Value> take_values() { return std::move(values_); }

 protected:
  PickleStack(std::uint64_t base, const std::string& path) : at_(base), path_(path) {}
  ~PickleStack() = default;

  /// Where in the file the opcode stands that is carried out now.
  void set_offset(std::uint64_t at) noexcept { at_ = at; }
  [[noreturn]] void fail(const std::string& message) const;

  /// Makes an object and puts it onto the stack.
  Value& push(Value::Kind kind);
  void push_again(ValueId id) { stack_.push_back(id); }
  Value& value(ValueId id) { return values_[id]; }
  const Value& value(ValueId id) const { return values_[id]; }

  ValueId top() const;
  /// The one object that a whole pickle leaves.
  ValueId only() const;
  std::vector<ValueId> pop(std::size_t count);
  /// One object, or the last mark where nothing is above it: a tuple that contains itself is taken down like that.
  void pop_one();
  void mark() { marks_.push_back(stack_.size()); }
  std::vector<ValueId> pop_to_mark();

  void remember(std::uint64_t index);
  void recall(std::uint64_t index);
  std::size_t remembered() const noexcept { return remembered_; }

 private:
  /// Objects above the last mark.
  std::size_t available() const { return stack_.size() - (marks_.empty() ? 0 : marks_.back()); }

  std::uint64_t at_;
  const std::string& path_;
  std::vector<Value> values_;
  std::vector<ValueId> stack_;
  std::vector<std::size_t> marks_;  ///< heights of the stack
  std::vector<ValueId> memo_;
  std::size_t remembered_ = 0;  ///< numbers in use in memo_
};

}  // namespace osteon::weights
