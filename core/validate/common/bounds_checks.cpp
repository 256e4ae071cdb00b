// SPDX-License-Identifier: Apache-2.0
// What a component does where its parameters end: a smoothing constant of 0, a probability of 1, the last of its
// choices.
#include <cmath>
#include <optional>

#include "validate/harness/working_call.hpp"

namespace osteon::validate {
namespace {

using plugin::ParameterSpec;
using plugin::ParameterType;
using plugin::ParameterValue;

/// One parameter at one of its ends, the others as usual.
struct Trial {
  std::string what;  ///< "smooth = 0"
  std::string name;
  ParameterValue value;
};

// What takes a million and more is a size or a count; at its bound it would only fill the memory.
bool can_be_tried(double bound) { return std::isfinite(bound) && std::abs(bound) < 1e6; }

std::size_t elements_of(const ParameterSpec& spec, const ParameterValue& usual) {
  const std::size_t count = std::visit([](const auto& values) { return values.size(); }, usual);
  return count > 0 ? count : plugin::is_range(spec.type) ? 2 : 1;
}

std::optional<ParameterValue> numbers_of(const ParameterSpec& spec, const ParameterValue& usual, double number) {
  const std::size_t count = elements_of(spec, usual);
  switch (spec.type) {
    case ParameterType::kBool:
      return ParameterValue(std::vector<bool>(count, number != 0));
    case ParameterType::kInt:
    case ParameterType::kIntRange:
      return ParameterValue(std::vector<std::int64_t>(count, static_cast<std::int64_t>(number)));
    case ParameterType::kFloat:
    case ParameterType::kFloatRange:
      return ParameterValue(std::vector<double>(count, number));
    default:
      return std::nullopt;
  }
}

// Numbers first: there are few of them, and they are where formulas end.
std::vector<Trial> trials_of(const Subject& subject) {
  const auto& specs = subject.component.schema.parameters;
  const plugin::Parameters usual = usual_parameters(subject);
  std::vector<Trial> trials;
  for (std::size_t i = 0; i < specs.size(); ++i) {
    const ParameterSpec& spec = specs[i];
    const bool flag = spec.type == ParameterType::kBool;
    for (const double bound : {flag ? 0 : spec.minimum, flag ? 1 : spec.maximum})
      if (can_be_tried(bound))
        if (auto value = numbers_of(spec, usual[i], bound))
          trials.push_back({fmt::format("{} = {}", spec.name, bound), spec.name, *value});
  }
  for (std::size_t i = 0; i < specs.size(); ++i)
    for (const std::string& choice : specs[i].choices)
      trials.push_back({specs[i].name + " = " + choice, specs[i].name,
                        ParameterValue(std::vector<std::string>(elements_of(specs[i], usual[i]), choice))});
  return trials;
}

/// What came of a trial.
struct Came {
  bool taken = false;
  std::int64_t cost = 0;
};

/// Runs what a component is for with one trial's parameters.
Came run(const Subject& subject, const Trial& trial, std::int64_t most_weights) {
  Subject changed = subject;
  changed.parameters[trial.name] = trial.value;
  Outcome why;
  Came came;
  for (const WorkingCall& call : working_calls(changed, &why, most_weights)) {
    if (!call.main) continue;
    came.cost += call.cost;
    const Answered got = call.make_as_usual();
    if (!got.outcome.ok()) {
      expect_refused(got.outcome, {OSTEON_INVALID_ARGUMENT, OSTEON_UNSUPPORTED, OSTEON_OUT_OF_MEMORY}, call.name);
      continue;
    }
    came.taken = true;
    const std::size_t at = first_not_finite(got.values);
    expect(at == got.values.size(), "{} gives {} at number {}", call.name, got.values[at], at);
  }
  return came;
}

std::string works_at_its_bounds(const Subject& subject) {
  // A model of many weights is made, trained a step and looked at in a second or so; a dozen of them is enough.
  constexpr std::int64_t kMostWeights = 60'000'000, kMostCost = 300'000'000;
  const std::vector<Trial> trials = trials_of(subject);
  if (trials.empty()) skip("no parameter has a bound that can be tried");
  std::size_t tried = 0, refused = 0, large = 0;
  std::int64_t cost = 0;
  for (const Trial& trial : trials) {
    if (cost > kMostCost) break;
    ++tried;
    try {
      const Came came = run(subject, trial, kMostWeights);
      refused += came.taken ? 0 : 1;
      cost += came.cost;
    } catch (const NotApplicable&) {
      ++large;
    } catch (const std::exception& failure) {
      fail("with {}: {}", trial.what, failure.what());
    }
  }
  return fmt::format("{} of {} values tried: {} refused with a reason, {} too large to train", tried, trials.size(),
                     refused, large);
}

}  // namespace

const std::vector<Check>& bounds_checks() {
  static const std::vector<Check> checks = {
      {"works-at-its-bounds", "with each parameter at each bound and choice its results and gradients are finite",
       works_at_its_bounds, std::chrono::seconds(180)}};
  return checks;
}

}  // namespace osteon::validate
