// SPDX-License-Identifier: Apache-2.0
#include "weights/pickle.hpp"

#include <charconv>
#include <cstddef>
#include <deque>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "weights/byte_reader.hpp"
#include "weights/pickle_opcodes.hpp"
#include "weights/pickle_stack.hpp"

namespace osteon::weights {
namespace {

using Kind = Value::Kind;

constexpr std::size_t kMaxName = 256;                    // bytes, of a module or of what is in it
constexpr std::size_t kMaxDigits = 4300;                 // of a number in decimals; Python's own limit
constexpr std::size_t kMaxLine = 4096;                   // bytes, of a text that is a line
constexpr std::size_t kMaxMade = std::size_t{16} << 20;  // bytes, of texts that are put together
constexpr int kNewestProtocol = 5;

class Machine : private PickleStack {
 public:
  Machine(std::string_view bytes, std::uint64_t base, const std::string& path)
      : PickleStack(base, path), in_(bytes, base, path, "the pickle") {}

  /// Runs to the end of the pickle and gives its one result.
  ValueId run() {
    for (std::uint8_t opcode = next(); opcode != kStop; opcode = next()) step(opcode);
    return only();
  }
  using PickleStack::take_values;
  std::deque<std::string> take_made() { return std::move(made_); }
  std::uint64_t reached() const { return in_.offset(); }

 private:
  std::uint8_t next() {
    if (++steps_ > kMaxPickleSteps)
      fail(fmt::format("the pickle takes more than {} steps, far beyond any state dict", kMaxPickleSteps));
    set_offset(in_.offset());
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
      default:
        step_text(opcode);
    }
  }

  void step_text(std::uint8_t opcode) {
    switch (opcode) {
      case kUnicodeLine:
        push_line(in_.line(kMaxLine));
        break;
      case kStringLine:
        push_line(unquoted(in_.line(kMaxLine)));
        break;
      case kShortBinString:
      case kShortBinUnicode:
        push(Kind::kText).text = in_.take(in_.u8());
        break;
      case kBinString:
      case kBinUnicode:
        push(Kind::kText).text = in_.take(in_.u32());
        break;
      case kBinUnicode8:
        push(Kind::kText).text = in_.take(in_.u64());
        break;
      case kShortBinBytes:
        push(Kind::kBytes).text = in_.take(in_.u8());
        break;
      case kBinBytes:
        push(Kind::kBytes).text = in_.take(in_.u32());
        break;
      case kBinBytes8:
      case kByteArray8:
        push(Kind::kBytes).text = in_.take(in_.u64());
        break;
      default:
        step_container(opcode);
    }
  }

  void step_container(std::uint8_t opcode) {
    switch (opcode) {
      case kMark:
        mark();
        break;
      case kPop:
        pop_one();
        break;
      case kPopMark:
        pop_to_mark();
        break;
      case kDuplicate:
        push_again(top());
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
      case kEmptySet:
        push(Kind::kSet);
        break;
      case kFrozenSet:
        push_filled(Kind::kSet, pop_to_mark());
        break;
      case kList:
        push_filled(Kind::kList, pop_to_mark());
        break;
      case kDict:
        push_dict(pop_to_mark());
        break;
      case kTuple:
        push_filled(Kind::kTuple, pop_to_mark());
        break;
      case kTuple1:
      case kTuple2:
      case kTuple3:
        push_filled(Kind::kTuple, pop(opcode - kTuple1 + 1u));
        break;
      case kAppend:
        append(pop(1));
        break;
      case kAppends:
      case kAddItems:
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
      case kProtocol:
        check_protocol(in_.u8());
        break;
      case kFrame:
        in_.u64();  // how much Python is to read at once
        break;
      case kGlobal:
        push_global();
        break;
      case kStackGlobal:
        push_stack_global(pop(2));
        break;
      case kReduce:
      case kNewObject:
        push_call(pop(2));
        break;
      case kNewObjectEx:
        pop(1);  // arguments by name
        push_call(pop(2));
        break;
      case kInstance:
        push_instance();
        break;
      case kObject:
        push_object(pop_to_mark());
        break;
      case kBuild:
        pop(1);
        top();
        break;
      case kBinPersistentId:
        push_persistent(pop(1).front());
        break;
      case kPersistentId:
        fail(
            "the pickle is of protocol 0, which cannot say where a tensor lies; torch.load does not read such a file "
            "either. Save it again without pickle_protocol");
      case kMemoize:
        remember(remembered());
        break;
      case kPut:
        remember(natural(in_.line(kMaxDigits)));
        break;
      case kGet:
        recall(natural(in_.line(kMaxDigits)));
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

  void push_long(std::string_view bytes) {
    Value& value = push(bytes.size() > 8 ? Kind::kLong : Kind::kInteger);
    value.text = bytes;
    if (bytes.size() > 8 || bytes.empty()) return;
    std::uint64_t bits = (bytes.back() & 0x80) != 0 ? ~std::uint64_t{0} : 0;
    for (std::size_t i = bytes.size(); i-- > 0;) bits = bits << 8 | static_cast<unsigned char>(bytes[i]);
    value.integer = static_cast<std::int64_t>(bits);
  }

  void push_filled(Kind kind, std::vector<ValueId> items) { push(kind).items = std::move(items); }
  void push_dict(std::vector<ValueId> items) {
    push(Kind::kDict);
    set_items(items);
  }

  /// A text as protocol 0 writes it. Names of tensors need none of its escapes.
  void push_line(std::string_view line) {
    if (line.find('\\') != std::string_view::npos)
      fail("the text '" + shown(line) + "' has an escape of protocol 0, which is not read");
    push(Kind::kText).text = line;
  }
  std::string_view unquoted(std::string_view line) const {
    if (line.size() < 2 || line.front() != line.back() || (line.front() != '\'' && line.front() != '"'))
      fail("a text in quotes was expected here");
    return line.substr(1, line.size() - 2);
  }

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
    value.text = digits;
  }

  void push_global() {
    const std::string_view module = in_.line(kMaxName), name = in_.line(kMaxName);
    Value& global = push(Kind::kGlobal);
    global.global = &find_global(module, name);
    global.text = {module.data(), module.size() + 1 + name.size()};
  }

  /// A global whose names are texts; together they stand nowhere in the file.
  void push_stack_global(const std::vector<ValueId>& names) {
    const Value &module = value(names[0]), &name = value(names[1]);
    if (module.kind != Kind::kText || name.kind != Kind::kText || module.text.size() > kMaxName ||
        name.text.size() > kMaxName)
      fail("the pickle names a function by something else than two short texts");
    const Global& found = find_global(module.text, name.text);
    const std::string& text = made_.emplace_back(std::string(module.text) + "\n" + std::string(name.text));
    if ((made_bytes_ += text.size()) > kMaxMade) fail("the pickle names more functions than any state dict has");
    Value& global = push(Kind::kGlobal);
    global.global = &found;
    global.text = text;
  }

  void push_instance() {
    std::vector<ValueId> arguments = pop_to_mark();
    push_global();
    push_filled(Kind::kTuple, std::move(arguments));
    push_call(pop(2));
  }
  void push_object(std::vector<ValueId> class_and_arguments) {
    if (class_and_arguments.empty()) fail("the pickle makes an object of no class");
    push_again(class_and_arguments.front());
    push_filled(Kind::kTuple, {class_and_arguments.begin() + 1, class_and_arguments.end()});
    push_call(pop(2));
  }

  void push_call(const std::vector<ValueId>& function_and_arguments) {
    const ValueId arguments = function_and_arguments[1];
    const auto [global, name] = called(value(function_and_arguments[0]));
    if (value(arguments).kind != Kind::kTuple) fail("the pickle calls a function, but not with a tuple");
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
      for (const ValueId id : value(function.arguments).items)
        if (value(id).kind == Kind::kGlobal) return {&find_global({}, {}), value(id).text};
    fail("the pickle calls what is no function");
  }

  /// The content of a dict that was made from one list of pairs, as Python 2 did; nothing for any other arguments.
  std::vector<ValueId> pairs(ValueId arguments) {
    std::vector<ValueId> items;
    const std::vector<ValueId>& given = value(arguments).items;
    if (given.size() != 1 || value(given[0]).kind != Kind::kList) return items;
    for (const ValueId id : value(given[0]).items) {
      const Value& pair = value(id);
      if ((pair.kind != Kind::kList && pair.kind != Kind::kTuple) || pair.items.size() != 2)
        fail("a dict is made of what are no pairs");
      if (++steps_ > kMaxPickleSteps) fail("the pickle fills dicts with more than any state dict has");
      items.insert(items.end(), pair.items.begin(), pair.items.end());
    }
    return items;
  }

  void push_persistent(ValueId arguments) {
    if (value(arguments).kind != Kind::kTuple) fail("a reference to a storage is no tuple");
    push(Kind::kPersistent).arguments = arguments;
  }

  /// Objects of no meaning here take anything.
  static bool is_other(const Value& value) {
    return value.kind == Kind::kCall && value.global->role == Global::Role::kOther;
  }

  void append(const std::vector<ValueId>& items) {
    Value& list = value(top());
    if (is_other(list)) return;  // and forget it
    if (list.kind != Kind::kList && list.kind != Kind::kSet) fail("the pickle appends to what is no list");
    list.items.insert(list.items.end(), items.begin(), items.end());
  }

  void set_items(const std::vector<ValueId>& items) {
    Value& dict = value(top());
    const bool is_dict =
        dict.kind == Kind::kDict || (dict.kind == Kind::kCall && dict.global->role == Global::Role::kDict);
    if (!is_dict && !is_other(dict))  // what was made by a name that nobody knows may well be a kind of dict
      fail("the pickle sets items of what is no dict");
    if (items.size() % 2 != 0) fail("the pickle gives a dict a key without a value");
    dict.items.insert(dict.items.end(), items.begin(), items.end());
  }

  void check_protocol(int protocol) const {
    if (protocol > kNewestProtocol)
      fail(
          fmt::format("the pickle is of protocol {}; those up to {} are read. Save the file again without "
                      "pickle_protocol",
                      protocol, kNewestProtocol));
  }

  std::uint64_t natural(std::string_view digits) const {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (error != std::errc() || end != digits.data() + digits.size()) fail("'" + shown(digits) + "' is no number");
    return number;
  }
  ByteReader in_;
  std::size_t steps_ = 0;
  std::deque<std::string> made_;  ///< texts that stand nowhere in the file
  std::size_t made_bytes_ = 0;    ///< of all of them
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
  made_ = machine.take_made();
}

}  // namespace osteon::weights
