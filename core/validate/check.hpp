// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "plugin/component.hpp"

// What `osteon plugins validate` looks at. A check is a function that runs in a child process of its own, so that a
// crash, a hang or an exit is its verdict and nothing else's end.
namespace osteon::validate {

/// What a check looks at: a library file, and one of its components when the check is about components.
struct Subject {
  std::filesystem::path file;
  plugin::LoadedComponent component;  ///< `component.component` is null in a check of the library
  std::map<std::string, plugin::ParameterValue> parameters;  ///< that stand in for what the schema has, by name
  std::optional<std::int64_t> channels, classes;             ///< all that a model takes, when that is known
};

/// Thrown by a check: the promise does not hold. The text says what was expected, what came, and what to do.
class Failure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Thrown by a check: it does not apply to this component; the text says why.
class NotApplicable : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

template <class... Args>
[[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) {
  throw Failure(fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
[[noreturn]] void skip(fmt::format_string<Args...> format, Args&&... args) {
  throw NotApplicable(fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void expect(bool holds, fmt::format_string<Args...> format, Args&&... args) {
  if (!holds) throw Failure(fmt::format(format, std::forward<Args>(args)...));
}

/// One promise of the ABI. Passing is returning: the text (may be empty) is shown beside the verdict, as measured
/// figures are. Any exception but NotApplicable fails the check, with its text.
struct Check {
  const char* name;     ///< kebab-case, unique among the checks of a kind: "gradients-of-parameters"
  const char* promise;  ///< one line: what holds when it passes
  std::string (*run)(const Subject& subject);
  std::chrono::seconds limit{60};
};

/// Checks of a library as a whole; none of them needs a component.
const std::vector<Check>& library_checks();
/// Checks of components of any kind; component_checks() is all of them.
const std::vector<Check>& creation_checks();  ///< parameters, creation, errors
const std::vector<Check>& bounds_checks();    ///< what it does where its parameters end
const std::vector<Check>& boundary_checks();  ///< structs, flags, calls, memory, statuses
const std::vector<Check>& component_checks();
/// Checks of ensemblers and post-processors that are fitted; others skip them.
const std::vector<Check>& fit_checks();
const std::vector<Check>& model_checks();
const std::vector<Check>& loss_checks();
const std::vector<Check>& augmentation_checks();
const std::vector<Check>& postprocessor_checks();
const std::vector<Check>& ensembler_checks();

/// The checks of a kind alone.
const std::vector<Check>& kind_checks(plugin::Kind kind);

}  // namespace osteon::validate
