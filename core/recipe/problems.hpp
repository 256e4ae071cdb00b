// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "recipe/recipe.hpp"

namespace osteon::recipe {

/// One thing that is wrong with a recipe.
struct RecipeProblem {
  Location location;
  std::string key;  ///< dotted path, "augment[0].p"; empty when there is none
  std::string message;
  std::string suggestion;  ///< what would work; empty when there is no guess
  std::string source;      ///< the line of the file; empty when there is none
};

/// Everything that is wrong with a recipe. what() is the text for people: per problem
///
///     file:line:column: message
///       the line of the file
///       ^
///       help: did you mean 'x'?
class RecipeErrors : public Error {
 public:
  explicit RecipeErrors(std::vector<RecipeProblem> problems);
  const std::vector<RecipeProblem>& problems() const noexcept { return problems_; }

 private:
  std::vector<RecipeProblem> problems_;
};

/// "file:line:column", or the file alone when there is no line.
std::string to_string(const Location& location);

/// {"ok": false, "errors": [{"file", "line", "column", "key", "message", "suggestion"}]}
nlohmann::json recipe_errors_json(const RecipeErrors& errors);

/// Collects problems while a recipe is read, so that all of them are reported at once.
class Problems {
 public:
  void add(const Location& location, const std::string& key, const std::string& message,
           const std::string& suggestion = {});
  /// A file could not be read as TOML, or is not there: what else seems to be wrong is a consequence, and is not worth
  /// saying.
  void mark_unreadable() noexcept { unreadable_ = true; }
  bool unreadable() const noexcept { return unreadable_; }
  /// Whether something is wrong with the value of a key, or with the table that it is in: what was read of it means
  /// nothing, and is not to be held against other values.
  bool concern(const std::string& key) const;
  /// The same of what stands at a place, such as a text with an environment variable that is not set.
  bool concern(const Location& location) const;
  bool empty() const noexcept { return problems_.empty(); }
  /// Throws RecipeErrors, ordered by file and place, when there is any. Duplicates are shown once.
  void throw_if_any();

 private:
  std::string line_of(const Location& location);

  std::vector<RecipeProblem> problems_;
  std::map<std::string, std::vector<std::string>> lines_;  // of files that have been read for it
  bool unreadable_ = false;
};

}  // namespace osteon::recipe
