// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "recipe/recipe.hpp"

namespace osteon::recipe {

/// A TOML value that remembers where it was written. toml++'s own nodes lose that when they are copied, and recipes are
/// merged from several files.
struct Node {
  using Array = std::vector<Node>;
  using Table = std::map<std::string, Node>;

  std::variant<std::monostate, bool, std::int64_t, double, std::string, Array, Table> value;
  Location location;      ///< of the value
  Location key_location;  ///< of the key in front of it
  std::string folder;     ///< of the file that wrote it: what its relative paths start from

  bool is_table() const { return std::holds_alternative<Table>(value); }
  bool is_array() const { return std::holds_alternative<Array>(value); }
  Table& table() { return std::get<Table>(value); }
  const Table& table() const { return std::get<Table>(value); }
  Array& array() { return std::get<Array>(value); }
  const Array& array() const { return std::get<Array>(value); }
  template <class T>
  const T* as() const {
    return std::get_if<T>(&value);
  }
  const Node* find(const std::string& key) const {
    if (!is_table()) return nullptr;
    const auto found = table().find(key);
    return found == table().end() ? nullptr : &found->second;
  }
};

/// "a table", "an array", "a string", "an integer", "a float", "a boolean".
const char* type_name(const Node& node);

}  // namespace osteon::recipe
