// SPDX-License-Identifier: Apache-2.0
#include "weights/pickle.hpp"

#include <charconv>
#include <cstddef>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "weights/byte_reader.hpp"

namespace osteon::weights {
namespace {

using Kind = Value::Kind;

// Python has a name for each; these are the ones that torch.save's pickles are made of, and what Python 2 wrote
// besides.
enum Opcode : std::uint8_t {
  kMark = '(',
  kStop = '.',
  kPop = '0',
  kPopMark = '1',
  kDuplicate = '2',
  kNone = 'N',
  kNewTrue = 0x88,
  kNewFalse = 0x89,
  kBinInt = 'J',
  kBinInt1 = 'K',
  kBinInt2 = 'M',
  kLong1 = 0x8a,
  kLong4 = 0x8b,
  kDecimalInt = 'I',
  kDecimalLong = 'L',
  kDecimalReal = 'F',
  kBinFloat = 'G',
  kBinUnicode = 'X',
  kBinString = 'T',
  kShortBinString = 'U',
  kEmptyList = ']',
  kAppend = 'a',
  kAppends = 'e',
  kEmptyDict = '}',
  kSetItem = 's',
  kSetItems = 'u',
  kEmptyTuple = ')',
  kTuple = 't',
  kTuple1 = 0x85,
  kTuple2 = 0x86,
  kTuple3 = 0x87,
  kGlobal = 'c',
  kReduce = 'R',
  kNewObject = 0x81,
  kBuild = 'b',
  kBinPersistentId = 'Q',
  kBinGet = 'h',
  kLongBinGet = 'j',
  kBinPut = 'q',
  kLongBinPut = 'r',
  kProtocol = 0x80,
};

// What a hostile pickle can make us do: half a second and 170 MB at most (measured). A tensor takes some 18 objects and
// 35 steps.
constexpr std::size_t kMaxValues = 2'000'000, kMaxSteps = 8'000'000;
constexpr std::size_t kMaxName = 256;     // bytes, of a module or of what is in it
constexpr std::size_t kMaxDigits = 4300;  // of a number in decimals; Python's own limit
constexpr ValueId kNothing = UINT32_MAX;

class Machine {
 public:
  Machine(std::string_view bytes, std::uint64_t base, const std::string& path)
      : in_(bytes, base, path, "the pickle"), at_(base) {}

  /// Runs to the end of the pickle and gives its one result.
  ValueId run() {
    if (in_.u8() != kProtocol) fail("a pickle was expected here");
    const int protocol = in_.u8();
    if (protocol != 2)
      fail(
          fmt::format("the pickle is of protocol {}; only 2 is read, which torch.save writes by itself. Save the file "
                      "again without pickle_protocol",
                      protocol));
    for (std::uint8_t opcode = next(); opcode != kStop; opcode = next()) step(opcode);
    if (stack_.size() != 1 || !marks_.empty())
      fail(fmt::format("the pickle ends with {} objects; one was expected", stack_.size()));
    return stack_.back();
  }
  std::vector<Value> take_values() { return std::move(values_); }
  std::uint64_t reached() const { return in_.offset(); }

 private:
  std::uint8_t next() {
    if (++steps_ > kMaxSteps)
      fail(fmt::format("the pickle takes more than {} steps, far beyond any state dict", kMaxSteps));
    at_ = in_.offset();
    return in_.u8();
  }

  void step(std::uint8_t opcode) {
    switch (opcode) {
      case kNone:
        push(Kind::kNone);
        break;
      case kNewTrue:
      case kNewFalse:
        push(Kind::kBool).integer = opcode == kNewTrue;
        break;
      case kBinInt:
        push(Kind::kInteger).integer = static_cast<std::int32_t>(in_.u32());
        break;
      case kBinInt1:
        push(Kind::kInteger).integer = in_.u8();
        break;
      case kBinInt2:
        push(Kind::kInteger).integer = in_.u16();
        break;
      case kLong1:
        push_long(in_.take(in_.u8()));
        break;
      case kLong4:
        push_long(in_.take(in_.u32()));
        break;
      case kDecimalInt:
      case kDecimalLong:
        push_decimal(in_.line(kMaxDigits));
        break;
      case kDecimalReal:
        in_.line(kMaxDigits);
        push(Kind::kReal);
        break;
      case kBinFloat:
        in_.take(8);
        push(Kind::kReal);
        break;
      case kBinUnicode:
      case kBinString:
        push(Kind::kText).text = in_.take(in_.u32());
        break;
      case kShortBinString:
        push(Kind::kText).text = in_.take(in_.u8());
        break;
      default:
        step_container(opcode);
    }
  }

  void step_container(std::uint8_t opcode) {
    switch (opcode) {
      case kMark:
        marks_.push_back(stack_.size());
        break;
      case kPop:
        pop_one();
        break;
      case kPopMark:
        pop_to_mark();
        break;
      case kDuplicate:
        stack_.push_back(top());
        break;
      case kEmptyList:
        push(Kind::kList);
        break;
      case kEmptyDict:
        push(Kind::kDict);
        break;
      case kEmptyTuple:
        push(Kind::kTuple);
        break;
      case kTuple:
        push_tuple(pop_to_mark());
        break;
      case kTuple1:
      case kTuple2:
      case kTuple3:
        push_tuple(pop(opcode - kTuple1 + 1u));
        break;
      case kAppend:
        append(pop(1));
        break;
      case kAppends:
        append(pop_to_mark());
        break;
      case kSetItem:
        set_items(pop(2));
        break;
      case kSetItems:
        set_items(pop_to_mark());
        break;
      default:
        step_object(opcode);
    }
  }

  void step_object(std::uint8_t opcode) {
    switch (opcode) {
      case kGlobal:
        push_global();
        break;
      case kReduce:
      case kNewObject:
        push_call(pop(2));
        break;
      case kBuild:
        pop(1);
        top();
        break;
      case kBinPersistentId:
        push_persistent(pop(1).front());
        break;
      case kBinPut:
        remember(in_.u8());
        break;
      case kLongBinPut:
        remember(in_.u32());
        break;
      case kBinGet:
        recall(in_.u8());
        break;
      case kLongBinGet:
        recall(in_.u32());
        break;
      default:
        fail(
            fmt::format("the pickle has the opcode 0x{:02x}, which torch.save does not write: the file is damaged. In "
                        "Python, torch.save(model.state_dict(), \"weights.pth\") writes what is read here",
                        opcode));
    }
  }

  Value& push(Kind kind) {
    if (values_.size() == kMaxValues)
      fail(fmt::format("the pickle makes more than {} objects, far beyond any state dict", kMaxValues));
    stack_.push_back(static_cast<ValueId>(values_.size()));
    Value& value = values_.emplace_back();
    value.kind = kind;
    value.offset = at_;
    return value;
  }

  void push_long(std::string_view bytes) {
    Value& value = push(bytes.size() > 8 ? Kind::kLong : Kind::kInteger);
    value.text = bytes;
    if (bytes.size() > 8 || bytes.empty()) return;
    std::uint64_t bits = (bytes.back() & 0x80) != 0 ? ~std::uint64_t{0} : 0;
    for (std::size_t i = bytes.size(); i-- > 0;) bits = bits << 8 | static_cast<unsigned char>(bytes[i]);
    value.integer = static_cast<std::int64_t>(bits);
  }

  void push_tuple(std::vector<ValueId> items) { push(Kind::kTuple).items = std::move(items); }

  /// As Python 2 wrote it: "12", "12L", and its truth values as "00" and "01".
  void push_decimal(std::string_view digits) {
    if (digits == "00" || digits == "01") {
      push(Kind::kBool).integer = digits == "01";
      return;
    }
    if (!digits.empty() && digits.back() == 'L') digits.remove_suffix(1);
    std::int64_t integer = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), integer);
    if (error == std::errc::invalid_argument || end != digits.data() + digits.size())
      fail("'" + shown(digits) + "' is no number");
    Value& value = push(error == std::errc::result_out_of_range ? Kind::kReal : Kind::kInteger);
    value.integer = integer;
  }

  void push_global() {
    const std::string_view module = in_.line(kMaxName), name = in_.line(kMaxName);
    Value& global = push(Kind::kGlobal);
    global.global = &find_global(module, name);
    global.text = {module.data(), module.size() + 1 + name.size()};
  }

  void push_call(const std::vector<ValueId>& function_and_arguments) {
    const ValueId arguments = function_and_arguments[1];
    const auto [global, name] = called(values_[function_and_arguments[0]]);
    if (values_[arguments].kind != Kind::kTuple) fail("the pickle calls a function, but not with a tuple");
    Value& call = push(Kind::kCall);
    call.global = global;
    call.text = name;
    call.arguments = arguments;
    if (global->role == Global::Role::kDict) call.items = pairs(arguments);
  }

  /// What a call calls: something by its name, or an object that was made before. Legacy files keep the classes of
  /// whole models outside of the pickle: ("module", class, ...).
  std::pair<const Global*, std::string_view> called(const Value& function) const {
    if (function.kind == Kind::kGlobal) return {function.global, function.text};
    if (function.kind == Kind::kCall) return {&find_global({}, {}), function.text};
    if (function.kind == Kind::kPersistent)
      for (const ValueId id : values_[function.arguments].items)
        if (values_[id].kind == Kind::kGlobal) return {&find_global({}, {}), values_[id].text};
    fail("the pickle calls what is no function");
  }

  /// The content of a dict that was made from one list of pairs, as Python 2 did; nothing for any other arguments.
  std::vector<ValueId> pairs(ValueId arguments) {
    std::vector<ValueId> items;
    const std::vector<ValueId>& given = values_[arguments].items;
    if (given.size() != 1 || values_[given[0]].kind != Kind::kList) return items;
    for (const ValueId id : values_[given[0]].items) {
      const Value& pair = values_[id];
      if ((pair.kind != Kind::kList && pair.kind != Kind::kTuple) || pair.items.size() != 2)
        fail("a dict is made of what are no pairs");
      if (++steps_ > kMaxSteps) fail("the pickle fills dicts with more than any state dict has");
      items.insert(items.end(), pair.items.begin(), pair.items.end());
    }
    return items;
  }

  void push_persistent(ValueId arguments) {
    if (values_[arguments].kind != Kind::kTuple) fail("a reference to a storage is no tuple");
    push(Kind::kPersistent).arguments = arguments;
  }

  /// Objects of no meaning here take anything.
  static bool is_other(const Value& value) {
    return value.kind == Kind::kCall && value.global->role == Global::Role::kOther;
  }

  void append(const std::vector<ValueId>& items) {
    Value& list = values_[top()];
    if (is_other(list)) return;  // and forget it
    if (list.kind != Kind::kList) fail("the pickle appends to what is no list");
    list.items.insert(list.items.end(), items.begin(), items.end());
  }

  void set_items(const std::vector<ValueId>& items) {
    Value& dict = values_[top()];
    const bool is_dict =
        dict.kind == Kind::kDict || (dict.kind == Kind::kCall && dict.global->role == Global::Role::kDict);
    if (!is_dict && !is_other(dict))  // what was made by a name that nobody knows may well be a kind of dict
      fail("the pickle sets items of what is no dict");
    if (items.size() % 2 != 0) fail("the pickle gives a dict a key without a value");
    dict.items.insert(dict.items.end(), items.begin(), items.end());
  }

  void remember(std::uint32_t index) {
    if (index >= kMaxSteps) fail(fmt::format("the pickle remembers an object under the number {}", index));
    if (index >= memo_.size()) memo_.resize(index + 1, kNothing);
    memo_[index] = top();
  }
  void recall(std::uint32_t index) {
    if (index >= memo_.size() || memo_[index] == kNothing)
      fail(fmt::format("the pickle recalls an object number {}, which it never remembered", index));
    stack_.push_back(memo_[index]);
  }

  /// Objects above the last mark.
  std::size_t available() const { return stack_.size() - (marks_.empty() ? 0 : marks_.back()); }
  ValueId top() const {
    if (available() == 0) fail("the pickle uses an object where there is none");
    return stack_.back();
  }
  std::vector<ValueId> pop(std::size_t count) {
    if (available() < count) fail("the pickle uses an object where there is none");
    std::vector<ValueId> items(stack_.end() - static_cast<std::ptrdiff_t>(count), stack_.end());
    stack_.resize(stack_.size() - count);
    return items;
  }
  /// One object, or the last mark where nothing is above it: a tuple that contains itself is taken down like that.
  void pop_one() {
    if (available() == 0 && !marks_.empty())
      marks_.pop_back();
    else
      pop(1);
  }
  std::vector<ValueId> pop_to_mark() {
    if (marks_.empty()) fail("the pickle goes back to a mark that it never made");
    std::vector<ValueId> items = pop(available());
    marks_.pop_back();
    return items;
  }

  [[noreturn]] void fail(const std::string& message) const { refuse(in_.path(), at_, message); }

  ByteReader in_;
  std::uint64_t at_;  ///< of the opcode that is being carried out
  std::size_t steps_ = 0;
  std::vector<Value> values_;
  std::vector<ValueId> stack_;
  std::vector<std::size_t> marks_;  ///< heights of the stack
  std::vector<ValueId> memo_;
};

}  // namespace

std::string global_name(const Value& value) {
  std::string name = shown(value.text);
  const std::size_t end_of_module = value.text.find('\n');
  if (end_of_module < name.size()) name[end_of_module] = '.';
  return name;
}

Pickle::Pickle(std::string_view bytes, std::uint64_t base, const std::string& path) {
  Machine machine(bytes, base, path);
  root_ = machine.run();
  size_ = machine.reached() - base;
  values_ = machine.take_values();
}

}  // namespace osteon::weights
