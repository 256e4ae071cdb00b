// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "plugin/schema.hpp"
#include "validate/check.hpp"
#include "validate/given.hpp"

namespace osteon::validate {

/// What a check said.
enum class Verdict { kPass, kFail, kSkip };
const char* to_string(Verdict verdict) noexcept;
struct Answer {
  Verdict verdict = Verdict::kFail;
  std::string detail;
};

/// A check as the program shows it, without its function.
struct CheckInfo {
  std::string name;
  std::string promise;
  std::chrono::seconds limit{60};
};

/// What is checked of a library.
struct Checked {
  plugin::Kind kind = plugin::Kind::kModel;
  std::string component;  ///< empty: the library itself
  std::string version;    ///< of the component; empty: the highest
};

/// The checks, in a library of their own, because they bring OpenCV along and the program otherwise does not need it.
class Validator {
 public:
  virtual ~Validator() = default;
  virtual std::vector<CheckInfo> library_checks() const = 0;
  virtual std::vector<CheckInfo> component_checks() const = 0;
  /// Those of one kind alone, which run after component_checks(); of fitting too, for kinds that may be fitted.
  virtual std::vector<CheckInfo> kind_checks(plugin::Kind kind) const = 0;
  virtual std::vector<CheckInfo> fit_checks() const = 0;
  /// Loads a library, for copies of this process to find it loaded. What is wrong with it, each check will say.
  virtual void load(const std::filesystem::path& file) const = 0;
  /// Runs one check in this process, which it may end.
  virtual Answer run(const std::filesystem::path& file, const Checked& what, const std::string& check,
                     const Given& given) const = 0;
};

using CreateFunction = Validator* (*)();
inline constexpr const char* kCreateSymbol = "osteon_create_validator";

}  // namespace osteon::validate
