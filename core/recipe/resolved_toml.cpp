// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <list>
#include <utility>

#include "recipe/resolver.hpp"

namespace osteon::recipe {
namespace {

/// A table to be written: its own values come before its sub-tables, as TOML wants it.
struct Table {
  std::vector<std::pair<std::string, std::string>> values;
  std::list<std::pair<std::string, Table>> tables;
  std::list<std::pair<std::string, std::list<Table>>> arrays;

  Table& child(const std::string& name) {
    for (auto& [key, table] : tables)
      if (key == name) return table;
    return tables.emplace_back(name, Table{}).second;
  }
  Table& element(const std::string& name, std::size_t index) {
    auto found = std::find_if(arrays.begin(), arrays.end(), [&](const auto& entry) { return entry.first == name; });
    if (found == arrays.end()) found = arrays.insert(arrays.end(), {name, {}});
    while (found->second.size() <= index) found->second.emplace_back();
    return *std::next(found->second.begin(), static_cast<std::ptrdiff_t>(index));
  }
};

// "augment[0].steps[1].p" and `predict.thresholds."a.b"` in parts; quoted parts keep their quotes.
std::vector<std::string> split(const std::string& key) {
  std::vector<std::string> parts(1);
  bool quoted = false;
  for (std::size_t i = 0; i < key.size(); ++i) {
    if (quoted && key[i] == '\\' && i + 1 < key.size()) {
      parts.back() += key[i++];
    } else if (key[i] == '"') {
      quoted = !quoted;
    } else if (key[i] == '.' && !quoted) {
      parts.emplace_back();
      continue;
    }
    parts.back() += key[i];
  }
  return parts;
}

void place(Table& root, const Origin& origin) {
  std::vector<std::string> parts = split(origin.key);
  Table* table = &root;
  for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
    const std::size_t bracket = parts[i].front() == '"' ? std::string::npos : parts[i].find('[');
    if (bracket == std::string::npos)
      table = &table->child(parts[i]);
    else
      table = &table->element(parts[i].substr(0, bracket), std::stoul(parts[i].substr(bracket + 1)));
  }
  table->values.emplace_back(parts.back(), origin.value);
}

void write(const Table& table, const std::string& path, std::string& out) {
  for (const auto& [key, value] : table.values) out += key + " = " + value + "\n";
  const auto below = [&](const std::string& name) { return path.empty() ? name : path + "." + name; };
  for (const auto& [name, child] : table.tables) {
    out += "\n[" + below(name) + "]\n";
    write(child, below(name), out);
  }
  for (const auto& [name, elements] : table.arrays)
    for (const Table& element : elements) {
      out += "\n[[" + below(name) + "]]\n";
      write(element, below(name), out);
    }
}

}  // namespace

std::string resolved_toml(const std::vector<Origin>& origins) {
  Table root;
  for (const Origin& origin : origins) place(root, origin);
  std::string out;
  write(root, "", out);
  return out;
}

}  // namespace osteon::recipe
