// SPDX-License-Identifier: Apache-2.0
// What holds for components of every kind: how they are created, refused and ended.
#include <algorithm>
#include <cmath>
#include <limits>

#include "validate/harness/creator.hpp"

namespace osteon::validate {
namespace {

using plugin::ParameterSpec;
using plugin::ParameterType;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// One value for one parameter, with its arrays.
class Value {
 public:
  explicit Value(const osteon_value& like) : value_(like) {}
  /// Numbers in whichever array the type wants.
  static Value numbers(const osteon_value& like, const std::vector<double>& numbers) {
    Value value(like);
    for (const double number : numbers) {
      value.floats_.push_back(number);
      value.ints_.push_back(std::abs(number) < 9e18 ? static_cast<std::int64_t>(number)
                            : number < 0            ? std::numeric_limits<std::int64_t>::min()
                                                    : std::numeric_limits<std::int64_t>::max());
    }
    value.value_.count = numbers.size();
    const bool floats = like.type == OSTEON_PARAM_FLOAT || like.type == OSTEON_PARAM_FLOAT_RANGE;
    value.value_.floats = floats ? value.floats_.data() : nullptr;
    value.value_.ints = floats ? nullptr : value.ints_.data();
    return value;
  }
  static Value text(const osteon_value& like, const char* text) {
    Value value(like);
    value.strings_ = {text};
    value.value_.count = 1;
    value.value_.strings = value.strings_.data();
    return value;
  }
  Value(Value&&) = default;
  osteon_value& get() noexcept { return value_; }

 private:
  osteon_value value_;
  std::vector<std::int64_t> ints_;
  std::vector<double> floats_;
  std::vector<const char*> strings_;
};

/// What is tried with one parameter while the others are as usual.
struct TriedValue {
  std::string what;  ///< "width = 4097"
  Creator::Made made;
};
TriedValue try_value(const Creator& creator, const std::vector<ParameterSpec>& specs, std::size_t i, Value value,
                     const std::string& text) {
  std::vector<const osteon_value*> values = creator.usual();
  values[i] = &value.get();
  return {specs[i].name + " = " + text, creator.create(values)};
}

void expect_refused_untouched(const TriedValue& trial) {
  if (trial.made.outcome.ok()) fail("create took {}", trial.what);
  expect_refused(trial.made.outcome, {OSTEON_INVALID_ARGUMENT, OSTEON_UNSUPPORTED}, "create with " + trial.what);
  expect(!trial.made.out_touched, "create refused {} and wrote to its out-argument all the same", trial.what);
}

bool is_number(const ParameterSpec& spec) {
  return spec.type == ParameterType::kInt || spec.type == ParameterType::kFloat || plugin::is_range(spec.type);
}

// As many numbers as the parameter wants.
std::vector<double> as_many(const ParameterSpec& spec, const osteon_value& usual, double number) {
  return std::vector<double>(usual.count > 0 ? usual.count : plugin::is_range(spec.type) ? 2 : 1, number);
}

std::string creates_from_defaults(const Subject& subject) {
  Creator(subject).live_and_die();
  return "";
}

std::string parameters_at_their_bounds(const Subject& subject) {
  const Creator creator(subject);
  const auto& specs = subject.component.schema.parameters;
  int taken = 0, refused = 0;
  const auto settle = [&](const TriedValue& trial) {
    if (trial.made.outcome.ok()) {
      creator.destroy(trial.made.instance);
      ++taken;
      return;
    }
    // Bounds are of one parameter alone; that it does not go together with the others' defaults may be said.
    expect_refused(trial.made.outcome, {OSTEON_INVALID_ARGUMENT, OSTEON_UNSUPPORTED, OSTEON_OUT_OF_MEMORY},
                   "create with " + trial.what);
    ++refused;
  };
  for (std::size_t i = 0; i < specs.size(); ++i) {
    const osteon_value& usual = *creator.usual()[i];
    for (const std::string& choice : specs[i].choices)
      settle(try_value(creator, specs, i, Value::text(usual, choice.c_str()), choice));
    if (specs[i].type == ParameterType::kBool)
      for (const double flag : {0.0, 1.0})
        settle(try_value(creator, specs, i, Value::numbers(usual, as_many(specs[i], usual, flag)),
                         fmt::format("{}", flag)));
    if (!is_number(specs[i])) continue;
    for (const double bound : {specs[i].minimum, specs[i].maximum})
      // What takes a million and more is a size or a count; at its bound it would only fill the memory.
      if (std::isfinite(bound) && std::abs(bound) < 1e6)
        settle(try_value(creator, specs, i, Value::numbers(usual, as_many(specs[i], usual, bound)),
                         fmt::format("{}", bound)));
  }
  if (taken + refused == 0) skip("no parameter has a bound that can be tried");
  return fmt::format("{} taken, {} refused with a reason", taken, refused);
}

std::string parameters_outside_their_bounds(const Subject& subject) {
  const Creator creator(subject);
  const auto& specs = subject.component.schema.parameters;
  int count = 0;
  for (std::size_t i = 0; i < specs.size(); ++i) {
    const osteon_value& usual = *creator.usual()[i];
    std::vector<double> outside;
    if (is_number(specs[i]) && std::isfinite(specs[i].minimum)) outside.push_back(specs[i].minimum - 1);
    if (is_number(specs[i]) && std::isfinite(specs[i].maximum)) outside.push_back(specs[i].maximum + 1);
    if (specs[i].type == ParameterType::kBool) outside.push_back(7);
    for (const double number : outside) {
      expect_refused_untouched(try_value(creator, specs, i, Value::numbers(usual, as_many(specs[i], usual, number)),
                                         fmt::format("{}", number)));
      ++count;
    }
    if (specs[i].type == ParameterType::kChoice) {
      expect_refused_untouched(try_value(creator, specs, i, Value::text(usual, "no-such-choice"), "no-such-choice"));
      ++count;
    }
  }
  if (count == 0) skip("no parameter has bounds or choices");
  return fmt::format("{} values", count);
}

std::string odd_numbers_refused(const Subject& subject) {
  const Creator creator(subject);
  const auto& specs = subject.component.schema.parameters;
  int count = 0;
  const auto refuse = [&](std::size_t i, const std::vector<double>& numbers, const char* what) {
    expect_refused_untouched(try_value(creator, specs, i, Value::numbers(*creator.usual()[i], numbers), what));
    ++count;
  };
  for (std::size_t i = 0; i < specs.size(); ++i) {
    const ParameterSpec& spec = specs[i];
    if (spec.type == ParameterType::kFloat || spec.type == ParameterType::kFloatRange)
      refuse(i, as_many(spec, *creator.usual()[i], std::numeric_limits<double>::quiet_NaN()), "NaN");
    const double low = std::max(spec.minimum, -1e6), high = std::min(spec.maximum, 1e6);
    if (plugin::is_range(spec.type) && low < high && (!spec.list || (spec.min_count <= 1 && spec.max_count >= 1)))
      refuse(i, {high, low}, "a range that is upside down");
  }
  if (count == 0) skip("it has no parameter that is a real number or a range");
  return fmt::format("{} values", count);
}

std::string other_types_refused(const Subject& subject) {
  const Creator creator(subject);
  const auto& specs = subject.component.schema.parameters;
  if (specs.empty()) skip("it has no parameters");
  for (std::size_t i = 0; i < specs.size(); ++i) {
    Value value(*creator.usual()[i]);
    const bool text = value.get().type == OSTEON_PARAM_STRING;
    value.get() = sdk::sized<osteon_value>();
    value.get().type = text ? OSTEON_PARAM_INT : OSTEON_PARAM_STRING;
    value.get().count = 1;
    static const std::int64_t kOne = 1;
    static const char* const kText = "text";
    (text ? static_cast<void>(value.get().ints = &kOne) : static_cast<void>(value.get().strings = &kText));
    expect_refused_untouched(try_value(creator, specs, i, std::move(value), text ? "an integer" : "a string"));
  }
  return fmt::format("{} parameters", specs.size());
}

std::string wrong_counts_refused(const Subject& subject) {
  const Creator creator(subject);
  const auto& specs = subject.component.schema.parameters;
  int count = 0;
  for (std::size_t i = 0; i < specs.size(); ++i) {
    if (!is_number(specs[i])) continue;
    const double number = std::clamp(1.0, specs[i].minimum, specs[i].maximum);
    const auto refuse = [&](std::size_t numbers, const char* what) {
      expect_refused_untouched(try_value(
          creator, specs, i, Value::numbers(*creator.usual()[i], std::vector<double>(numbers, number)), what));
      ++count;
    };
    const std::size_t each = plugin::is_range(specs[i].type) ? 2 : 1;
    if (!specs[i].list) refuse(0, "nothing");
    if (!specs[i].list || each == 2) refuse(3, "three numbers");
    if (specs[i].list && specs[i].max_count < 1000) refuse(each * (specs[i].max_count + 1), "too many numbers");
  }
  if (count == 0) skip("no parameter has a number of values that can be wrong");
  return fmt::format("{} trials", count);
}

std::string unknown_labels_refused(const Subject& subject) {
  if (subject.component.schema.kind == plugin::Kind::kModel ||
      subject.component.schema.kind == plugin::Kind::kAugmentation)
    skip("it is not told how labels relate");
  const Creator creator(subject);
  Creator::Ask ask;
  ask.labels = 1u << 30;
  const Creator::Made made = creator.create(creator.usual(), ask);
  if (made.outcome.ok()) fail("create took a request with labels that do not exist");
  expect_refused(made.outcome, {OSTEON_UNSUPPORTED}, "create with labels that do not exist");
  expect(!made.out_touched, "create refused a request and wrote to its out-argument all the same");
  return "";
}

// Whatever the kind, create refuses this.
Creator::Made refused_creation(const Creator& creator, osteon_error* error) {
  Creator::Ask ask;
  ask.flags = 1u << 15;
  ask.error = error;
  return creator.create(creator.usual(), ask);
}

std::string errors_fit_their_buffer(const Subject& subject) {
  const Creator creator(subject);
  for (const std::uint32_t size : {1u, 2u, 8u, 64u}) {
    std::vector<char> memory(size + 16, '#');
    auto error = sdk::sized<osteon_error>();
    error.text_size = size;
    error.text = memory.data();
    if (refused_creation(creator, &error).outcome.ok()) skip("it refuses nothing; see unknown-bits-refused");
    for (std::size_t i = size; i < memory.size(); ++i)
      expect(memory[i] == '#', "its error went {} byte(s) beyond a buffer of {}", i - size + 1, size);
    expect(std::memchr(memory.data(), '\0', size) != nullptr, "its error has no closing NUL in a buffer of {}", size);
  }
  auto nowhere = sdk::sized<osteon_error>();
  const Creator::Made made = refused_creation(creator, &nowhere);
  expect(!made.outcome.ok() && nowhere.text == nullptr, "an error that nobody wants to read changed what is returned");
  return "";
}

std::string unknown_extensions_absent(const Subject& subject) {
  const auto extension = subject.component.component->extension;
  if (extension == nullptr) return "it has no extensions";
  for (const char* id : {"osteon.nothing_of_that_name/1", "", "osteon", "a-very-long-name/4294967295"})
    expect(extension(id) == nullptr, "it gives something for the extension '{}', which does not exist", id);
  return "";
}

std::string lives_come_and_go(const Subject& subject) {
  const Creator creator(subject);
  const std::int64_t before = bytes_in_use();
  const Creator::Made made = creator.create(creator.usual());
  expect_ok(made.outcome, "create with its defaults");
  const int rounds = rounds_for(bytes_in_use() - before);
  creator.destroy(made.instance);
  return expect_no_growth(
      "create and destroy", [&] { creator.live_and_die(); }, rounds);
}

std::string created_in_threads(const Subject& subject) {
  const Creator creator(subject);
  in_threads(4, [&](int) { creator.live_and_die(); });
  return "4 threads";
}

}  // namespace

const std::vector<Check>& creation_checks() {
  static const std::vector<Check> checks = {
      {"creates-from-defaults", "create works with what a recipe gives by default", creates_from_defaults},
      {"parameters-at-their-bounds", "at each bound and with each choice it is made, or says why not",
       parameters_at_their_bounds, std::chrono::seconds(180)},
      {"parameters-outside-their-bounds", "beyond its bounds it refuses, with a reason, and makes nothing",
       parameters_outside_their_bounds},
      {"odd-numbers-refused", "NaN and ranges that are upside down are refused", odd_numbers_refused},
      {"other-types-refused", "values of another type than the schema's are refused", other_types_refused},
      {"wrong-counts-refused", "too few and too many values are refused", wrong_counts_refused},
      {"unknown-labels-refused", "labels that do not exist give UNSUPPORTED", unknown_labels_refused},
      {"errors-fit-their-buffer", "error texts are cut to their buffer and closed by NUL", errors_fit_their_buffer},
      {"unknown-extensions-absent", "an extension that it does not have is NULL", unknown_extensions_absent},
      {"lives-come-and-go", "create and destroy, many times, without growth", lives_come_and_go},
      {"created-in-threads", "instances are created in four threads at once", created_in_threads}};
  return checks;
}

const std::vector<Check>& component_checks() {
  static const std::vector<Check> checks = [] {
    std::vector<Check> all;
    for (const auto* topic : {&creation_checks(), &bounds_checks(), &boundary_checks()})
      all.insert(all.end(), topic->begin(), topic->end());
    return all;
  }();
  return checks;
}

}  // namespace osteon::validate
