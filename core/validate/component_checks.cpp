// SPDX-License-Identifier: Apache-2.0
// What holds for components of every kind: how they are created, refused and ended.
#include <algorithm>
#include <cmath>
#include <limits>

#include "validate/creator.hpp"

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
struct Trial {
  std::string what;  ///< "width = 4097"
  Creator::Made made;
};
Trial try_value(const Creator& creator, const std::vector<ParameterSpec>& specs, std::size_t i, Value value,
                const std::string& text) {
  std::vector<const osteon_value*> values = creator.usual();
  values[i] = &value.get();
  return {specs[i].name + " = " + text, creator.create(values)};
}

void expect_refused_untouched(const Trial& trial) {
  if (trial.made.outcome.ok()) fail("create took {}", trial.what);
  expect_refused(trial.made.outcome, {OSTEON_INVALID_ARGUMENT, OSTEON_UNSUPPORTED}, "create with " + trial.what);
  expect(!trial.made.out_touched, "create refused {} and wrote to its out-argument all the same", trial.what);
}

bool is_number(const ParameterSpec& spec) {
  return spec.type == ParameterType::kInt || spec.type == ParameterType::kFloat ||
         spec.type == ParameterType::kFloatRange;
}

// As many numbers as the parameter wants.
std::vector<double> as_many(const ParameterSpec& spec, const osteon_value& usual, double number) {
  return std::vector<double>(usual.count > 0 ? usual.count : spec.type == ParameterType::kFloatRange ? 2 : 1, number);
}

std::string creates_from_defaults(const Subject& subject) {
  Creator(subject).live_and_die();
  return "";
}

std::string parameters_at_their_bounds(const Subject& subject) {
  const Creator creator(subject);
  const auto& specs = subject.component.schema.parameters;
  int taken = 0, refused = 0;
  const auto settle = [&](const Trial& trial) {
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
  for (std::size_t i = 0; i < specs.size(); ++i) {
    if (specs[i].type != ParameterType::kFloat && specs[i].type != ParameterType::kFloatRange) continue;
    const osteon_value& usual = *creator.usual()[i];
    const double nan = std::numeric_limits<double>::quiet_NaN();
    expect_refused_untouched(try_value(creator, specs, i, Value::numbers(usual, as_many(specs[i], usual, nan)), "NaN"));
    ++count;
    if (specs[i].type == ParameterType::kFloatRange && std::isfinite(specs[i].minimum) &&
        std::isfinite(specs[i].maximum) && specs[i].minimum < specs[i].maximum) {
      expect_refused_untouched(try_value(creator, specs, i, Value::numbers(usual, {specs[i].maximum, specs[i].minimum}),
                                         "a range that is upside down"));
      ++count;
    }
  }
  if (count == 0) skip("it has no parameter that is a real number");
  return fmt::format("{} values", count);
}

std::string other_types_refused(const Subject& subject) {
  const Creator creator(subject);
  const auto& specs = subject.component.schema.parameters;
  if (specs.empty()) skip("it has no parameters");
  for (std::size_t i = 0; i < specs.size(); ++i) {
    Value value(*creator.usual()[i]);
    const bool text = value.get().type == OSTEON_PARAM_STRING;
    value.get() = {sizeof(osteon_value),
                   text ? std::uint32_t{OSTEON_PARAM_INT} : std::uint32_t{OSTEON_PARAM_STRING},
                   1,
                   nullptr,
                   nullptr,
                   nullptr,
                   nullptr};
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
    const osteon_value& usual = *creator.usual()[i];
    if (!is_number(specs[i])) continue;
    const double number = std::clamp(1.0, specs[i].minimum, specs[i].maximum);
    if (!specs[i].list) {
      expect_refused_untouched(try_value(creator, specs, i, Value::numbers(usual, {}), "nothing"));
      expect_refused_untouched(
          try_value(creator, specs, i, Value::numbers(usual, {number, number, number}), "three numbers"));
      count += 2;
    } else if (specs[i].max_count < 1000 && specs[i].type != ParameterType::kFloatRange) {
      const std::vector<double> many(specs[i].max_count + 1, number);
      expect_refused_untouched(try_value(creator, specs, i, Value::numbers(usual, many), "too many numbers"));
      ++count;
    }
  }
  if (count == 0) skip("no parameter has a number of values that can be wrong");
  return fmt::format("{} trials", count);
}

// Something that create refuses whatever the component: labels or flags that do not exist.
constexpr std::uint32_t kUnknown = 1u << 30;

std::string unknown_requests_refused(const Subject& subject) {
  const Creator creator(subject);
  const Creator::Made made = creator.create(creator.usual(), kUnknown);
  if (made.outcome.ok()) fail("create took a request with flags or labels that do not exist");
  expect_refused(made.outcome, {OSTEON_UNSUPPORTED}, "create with flags or labels that do not exist");
  expect(!made.out_touched, "create refused a request and wrote to its out-argument all the same");
  return "";
}

std::string errors_fit_their_buffer(const Subject& subject) {
  const Creator creator(subject);
  for (const std::uint32_t size : {1u, 2u, 8u, 64u}) {
    std::vector<char> memory(size + 16, '#');
    osteon_error error{sizeof error, size, memory.data()};
    const Creator::Made made = creator.create(creator.usual(), kUnknown, &error);
    if (made.outcome.ok()) skip("it refuses nothing; see unknown-requests-refused");
    for (std::size_t i = size; i < memory.size(); ++i)
      expect(memory[i] == '#', "its error went {} byte(s) beyond a buffer of {}", i - size + 1, size);
    expect(std::memchr(memory.data(), '\0', size) != nullptr, "its error has no closing NUL in a buffer of {}", size);
  }
  osteon_error nowhere{sizeof nowhere, 0, nullptr};
  const Creator::Made made = creator.create(creator.usual(), kUnknown, &nowhere);
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
  return expect_no_growth("create and destroy", [&] { creator.live_and_die(); });
}

std::string created_in_threads(const Subject& subject) {
  const Creator creator(subject);
  in_threads(4, [&](int) { creator.live_and_die(); });
  return "4 threads";
}

}  // namespace

const std::vector<Check>& component_checks() {
  static const std::vector<Check> checks = {
      {"creates-from-defaults", "create works with what a recipe gives by default", creates_from_defaults},
      {"parameters-at-their-bounds", "at each bound and with each choice it works, or says why not",
       parameters_at_their_bounds, std::chrono::seconds(180)},
      {"parameters-outside-their-bounds", "beyond its bounds it refuses, with a reason, and makes nothing",
       parameters_outside_their_bounds},
      {"odd-numbers-refused", "NaN and ranges that are upside down are refused", odd_numbers_refused},
      {"other-types-refused", "values of another type than the schema's are refused", other_types_refused},
      {"wrong-counts-refused", "too few and too many values are refused", wrong_counts_refused},
      {"unknown-requests-refused", "flags and labels that do not exist give UNSUPPORTED", unknown_requests_refused},
      {"errors-fit-their-buffer", "error texts are cut to their buffer and closed by NUL", errors_fit_their_buffer},
      {"unknown-extensions-absent", "an extension that it does not have is NULL", unknown_extensions_absent},
      {"lives-come-and-go", "create and destroy, many times, without growth", lives_come_and_go},
      {"created-in-threads", "instances are created in four threads at once", created_in_threads}};
  return checks;
}

}  // namespace osteon::validate
