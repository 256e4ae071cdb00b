// SPDX-License-Identifier: Apache-2.0
#include "weights/pickle_stack.hpp"

#include <fmt/format.h>

#include "weights/byte_reader.hpp"

namespace osteon::weights {
namespace {

constexpr ValueId kNothing = UINT32_MAX;

}  // namespace

void PickleStack::fail(const std::string& message) const { refuse(path_, at_, message); }

Value& PickleStack::push(Value::Kind kind) {
  if (values_.size() == kMaxPickleValues)
    fail(fmt::format("the pickle makes more than {} objects, far beyond any state dict", kMaxPickleValues));
  stack_.push_back(static_cast<ValueId>(values_.size()));
  Value& value = values_.emplace_back();
  value.kind = kind;
  value.offset = at_;
  return value;
}

ValueId PickleStack::top() const {
  if (available() == 0) fail("the pickle uses an object where there is none");
  return stack_.back();
}

ValueId PickleStack::only() const {
  if (stack_.size() != 1 || !marks_.empty())
    fail(fmt::format("the pickle ends with {} objects; one was expected", stack_.size()));
  return stack_.back();
}

std::vector<ValueId> PickleStack::pop(std::size_t count) {
  if (available() < count) fail("the pickle uses an object where there is none");
  std::vector<ValueId> items(stack_.end() - static_cast<std::ptrdiff_t>(count), stack_.end());
  stack_.resize(stack_.size() - count);
  return items;
}

void PickleStack::pop_one() {
  if (available() == 0 && !marks_.empty())
    marks_.pop_back();
  else
    pop(1);
}

std::vector<ValueId> PickleStack::pop_to_mark() {
  if (marks_.empty()) fail("the pickle goes back to a mark that it never made");
  std::vector<ValueId> items = pop(available());
  marks_.pop_back();
  return items;
}

void PickleStack::remember(std::uint64_t index) {
  if (index >= kMaxPickleSteps) fail(fmt::format("the pickle remembers an object under the number {}", index));
  if (index >= memo_.size()) memo_.resize(index + 1, kNothing);
  if (memo_[index] == kNothing) ++remembered_;
  memo_[index] = top();
}

void PickleStack::recall(std::uint64_t index) {
  if (index >= memo_.size() || memo_[index] == kNothing)
    fail(fmt::format("the pickle recalls an object number {}, which it never remembered", index));
  stack_.push_back(memo_[index]);
}

}  // namespace osteon::weights
