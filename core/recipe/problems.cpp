// SPDX-License-Identifier: Apache-2.0
#include "recipe/problems.hpp"

#include <algorithm>
#include <fstream>
#include <tuple>

namespace osteon::recipe {
namespace {

std::string line_of(const Location& location) {
  if (location.line == 0) return {};
  std::ifstream file(location.file);
  std::string text;
  for (std::uint32_t i = 0; i < location.line; ++i)
    if (!std::getline(file, text)) return {};
  if (!text.empty() && text.back() == '\r') text.pop_back();
  return text;
}

std::string as_text(const RecipeProblem& problem) {
  std::string text = to_string(problem.location) + ": " + problem.message + "\n";
  if (!problem.source.empty()) {
    std::string indent;  // tabs stay tabs, so that the caret stands where the column is
    for (std::uint32_t i = 0; i + 1 < problem.location.column && i < problem.source.size(); ++i)
      indent += problem.source[i] == '\t' ? '\t' : ' ';
    text += "  " + problem.source + "\n  " + indent + "^\n";
  }
  if (!problem.suggestion.empty()) text += "  help: " + problem.suggestion + "\n";
  return text;
}

std::string all_text(const std::vector<RecipeProblem>& problems) {
  std::string text;
  for (const RecipeProblem& problem : problems) text += as_text(problem);
  return text;
}

auto rank(const RecipeProblem& p) {
  return std::tie(p.location.file, p.location.line, p.location.column, p.key, p.message);
}

}  // namespace

std::string to_string(const Location& location) {
  if (location.line == 0) return location.file;
  return location.file + ":" + std::to_string(location.line) + ":" + std::to_string(location.column);
}

RecipeErrors::RecipeErrors(std::vector<RecipeProblem> problems)
    : Error(ExitCode::kUsage, all_text(problems)), problems_(std::move(problems)) {}

nlohmann::json recipe_errors_json(const RecipeErrors& errors) {
  nlohmann::json list = nlohmann::json::array();
  for (const RecipeProblem& p : errors.problems())
    list.push_back({{"file", p.location.file},
                    {"line", p.location.line},
                    {"column", p.location.column},
                    {"key", p.key},
                    {"message", p.message},
                    {"suggestion", p.suggestion}});
  return {{"ok", false}, {"errors", list}};
}

void Problems::add(const Location& location, const std::string& key, const std::string& message,
                   const std::string& suggestion) {
  problems_.push_back({location, key, message, suggestion, line_of(location)});
}

void Problems::throw_if_any() {
  if (problems_.empty()) return;
  std::stable_sort(problems_.begin(), problems_.end(), [](const auto& a, const auto& b) { return rank(a) < rank(b); });
  problems_.erase(
      std::unique(problems_.begin(), problems_.end(), [](const auto& a, const auto& b) { return rank(a) == rank(b); }),
      problems_.end());
  throw RecipeErrors(problems_);
}

}  // namespace osteon::recipe
