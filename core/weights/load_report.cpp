// SPDX-License-Identifier: Apache-2.0
#include "weights/load_report.hpp"

#include <algorithm>
#include <cstddef>
#include <map>

namespace osteon::weights {
namespace {

constexpr std::size_t kShown = 5;  // names in a line

/// The first `depth` components of a name; all of it when it has no more.
std::string beginning(const std::string& name, std::size_t depth) {
  std::size_t end = 0;
  for (; depth > 0 && end != std::string::npos; --depth) end = name.find('.', end == 0 ? 0 : end + 1);
  return name.substr(0, end);
}

/// Names that begin alike as one, "decoder.* (60)", with as many components as a line has room for; empty when even
/// their first components are too many.
std::vector<std::string> folded(const std::vector<std::string>& names) {
  std::vector<std::string> longest;
  for (std::size_t depth = 1;; ++depth) {
    std::map<std::string, std::size_t> counts;
    for (const std::string& name : names) ++counts[beginning(name, depth)];
    if (counts.size() > kShown) return longest;
    longest.clear();
    for (const std::string& name : names) {
      std::size_t& count = counts.at(beginning(name, depth));
      if (count > 0)
        longest.push_back(count == 1 ? name : beginning(name, depth) + ".* (" + std::to_string(count) + ")");
      count = 0;  // said
    }
    const auto whole = [depth](const std::string& name) { return beginning(name, depth) == name; };
    if (longest.size() == names.size() || std::all_of(names.begin(), names.end(), whole)) return longest;
  }
}

/// "3 tensors are missing: a, b, c". Where there is no room for all, the first few are named and the others counted.
void append_line(std::string& text, std::size_t count, const std::vector<std::string>& names, const std::string& what) {
  if (names.empty()) return;
  if (!text.empty()) text += "\n";
  text += std::to_string(count) + (count == 1 ? " tensor " : " tensors ") + what + ": ";
  for (std::size_t i = 0; i < names.size() && i < kShown; ++i) text += (i ? ", " : "") + names[i];
  if (names.size() > kShown) text += ", and " + std::to_string(names.size() - kShown) + " more";
}

/// Of names alone, which are folded when they are many and that is of help.
void append_names(std::string& text, const std::vector<std::string>& names, const std::string& what) {
  const std::vector<std::string> groups = names.size() > kShown ? folded(names) : std::vector<std::string>();
  append_line(text, names.size(), groups.empty() ? names : groups, what);
}

}  // namespace

std::string LoadReport::text() const {
  std::string text;
  for (const std::string& note : notes) text += (text.empty() ? "" : "\n") + note;
  std::vector<std::string> differences;
  for (const Mismatch& m : misshapen) differences.push_back(m.name + " (file " + m.file + ", model " + m.model + ")");
  append_names(text, missing, "of the model not in the file");
  append_names(text, unexpected, "of the file not in the model");
  append_line(text, differences.size(), differences, "of another shape or type");
  append_names(text, unused, "of the file that the model has no use for");
  append_names(text, kept, "of the model not in the file, counters, left as they are");
  return text;
}

}  // namespace osteon::weights
