// SPDX-License-Identifier: Apache-2.0
#include "recipe/problems.hpp"

#include <algorithm>
#include <fstream>
#include <tuple>

namespace osteon::recipe {
namespace {

std::vector<std::string> lines_of(const std::string& path) {
  std::vector<std::string> lines;
  std::ifstream file(path);
  for (std::string text; std::getline(file, text); lines.push_back(std::move(text)))
    if (!text.empty() && text.back() == '\r') text.pop_back();
  return lines;
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

std::string Problems::line_of(const Location& location) {
  if (location.line == 0) return {};
  const auto [found, added] = lines_.try_emplace(location.file);
  if (added) found->second = lines_of(location.file);
  return location.line <= found->second.size() ? found->second[location.line - 1] : std::string();
}

bool Problems::concern(const std::string& key) const {
  // "data" and "data.classes[1]" concern data.classes, "data.root" does not.
  const auto begins = [](const std::string& text, const std::string& start) {
    return text.compare(0, start.size(), start) == 0 &&
           (text.size() == start.size() || text[start.size()] == '.' || text[start.size()] == '[');
  };
  return std::any_of(problems_.begin(), problems_.end(), [&](const RecipeProblem& problem) {
    return !problem.key.empty() && (begins(problem.key, key) || begins(key, problem.key));
  });
}

bool Problems::concern(const Location& location) const {
  return std::any_of(problems_.begin(), problems_.end(), [&](const RecipeProblem& problem) {
    const Location& other = problem.location;
    return other.file == location.file && other.line == location.line && other.column == location.column;
  });
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
