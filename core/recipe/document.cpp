// SPDX-License-Identifier: Apache-2.0
#include "recipe/document.hpp"

#include <algorithm>
#include <cstdlib>

#include <toml++/toml.h>

#include "base/file.hpp"

namespace osteon::recipe {
namespace fs = std::filesystem;
namespace {

Location location_of(const toml::source_position& position, const std::string& file) {
  return {file, position.line, position.column};
}

Node convert(const toml::node& given, const std::string& file, Problems& problems, const std::string& key) {
  Node node;
  node.location = location_of(given.source().begin, file);
  node.key_location = node.location;
  node.folder = fs::path(file).parent_path().string();
  if (const auto* table = given.as_table()) {
    Node::Table children;
    for (const auto& [name, child] : *table) {
      const std::string child_key(name.str());
      Node converted = convert(child, file, problems, key.empty() ? child_key : key + "." + child_key);
      converted.key_location = location_of(name.source().begin, file);
      children.emplace(child_key, std::move(converted));
    }
    node.value = std::move(children);
  } else if (const auto* array = given.as_array()) {
    Node::Array children;
    for (std::size_t i = 0; i < array->size(); ++i)
      children.push_back(convert((*array)[i], file, problems, key + "[" + std::to_string(i) + "]"));
    node.value = std::move(children);
  } else if (const auto* text = given.as_string()) {
    node.value = text->get();
  } else if (const auto* integer = given.as_integer()) {
    node.value = integer->get();
  } else if (const auto* number = given.as_floating_point()) {
    node.value = number->get();
  } else if (const auto* flag = given.as_boolean()) {
    node.value = flag->get();
  } else {
    problems.add(node.location, key, "'" + key + "' is a date or a time, which no recipe key takes",
                 "write it as a string");
  }
  return node;
}

const std::string* plugin_of(const Node& table) {
  const Node* node = table.find("plugin");
  return node == nullptr ? nullptr : node->as<std::string>();
}

// Merges `over` into `base`.
void merge(Node& base, Node over) {
  if (!base.is_table() || !over.is_table()) {
    base = std::move(over);
    return;
  }
  const std::string* mine = plugin_of(over);
  const std::string* theirs = plugin_of(base);
  if (mine != nullptr && theirs != nullptr && *mine != *theirs) {
    base = std::move(over);
    return;
  }
  base.location = over.location;
  base.key_location = over.key_location;
  for (auto& [key, child] : over.table()) {
    const auto found = base.table().find(key);
    if (found == base.table().end())
      base.table().emplace(key, std::move(child));
    else
      merge(found->second, std::move(child));
  }
}

Node load_chain(const fs::path& path, std::vector<fs::path>& chain, Problems& problems) {
  Node self = parse_file(path, problems);
  expand_environment(self, problems);
  chain.push_back(fs::weakly_canonical(path));
  Node result;
  result.value = Node::Table{};
  const auto extend = [&](const Node& entry) {
    // What the file that is not read would have said is no mistake of the others.
    const auto refuse = [&](const std::string& message, const std::string& help = {}) {
      problems.add(entry.location, "extends", message, help);
      problems.mark_unreadable();
    };
    const auto* name = entry.as<std::string>();
    if (name == nullptr) return refuse(std::string("extends takes paths, not ") + type_name(entry));
    if (problems.concern(entry.location)) return problems.mark_unreadable();
    const fs::path target = path.parent_path() / *name;
    if (!is_file(target)) {
      refuse("there is no recipe " + target.lexically_normal().string() + " to extend",
             "paths are relative to the file that names them");
    } else if (std::find(chain.begin(), chain.end(), fs::weakly_canonical(target)) != chain.end()) {
      std::string route;
      for (const fs::path& file : chain) route += file.filename().string() + " -> ";
      refuse("recipes extend each other in a circle: " + route + target.filename().string());
    } else {
      merge(result, load_chain(target, chain, problems));
    }
  };
  if (const auto extends = self.table().find("extends"); extends != self.table().end()) {
    const Node entry = std::move(extends->second);
    self.table().erase(extends);
    if (entry.is_array())
      for (const Node& each : entry.array()) extend(each);
    else
      extend(entry);
  }
  chain.pop_back();
  // Only what the recipe itself says names it: a part's name is not the whole's.
  for (const char* own : {"name", "description"}) result.table().erase(own);
  merge(result, std::move(self));
  return result;
}

std::string expand(const std::string& text, const Node& node, Problems& problems) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '$' || i + 1 == text.size()) {
      result += text[i];
    } else if (text[i + 1] == '$') {
      result += text[++i];
    } else if (text[i + 1] == '{') {
      const std::size_t end = text.find('}', i);
      if (end == std::string::npos) {
        problems.add(node.location, "", "'${' without its '}'", "write $$ for a dollar sign");
        return text;
      }
      const std::string inside = text.substr(i + 2, end - i - 2);
      const std::size_t split = inside.find(":-");
      const std::string name = inside.substr(0, split);
      if (const char* value = std::getenv(name.c_str()); value != nullptr && *value != '\0') {
        result += value;
      } else if (split != std::string::npos) {
        result += inside.substr(split + 2);
      } else {
        problems.add(node.location, "", "the environment variable " + name + " is not set",
                     "export " + name + "=..., or give a default: ${" + name + ":-value}");
        result += text.substr(i, end + 1 - i);  // not empty, which would be a second problem
      }
      i = end;
    } else {
      result += text[i];
    }
  }
  return result;
}

struct Step {
  std::string key;
  std::vector<std::size_t> indices;
};

bool split_path(const std::string& path, std::vector<Step>& steps) {
  std::size_t i = 0;
  while (i <= path.size()) {
    Step step;
    while (i < path.size() && path[i] != '.' && path[i] != '[') step.key += path[i++];
    if (step.key.empty()) return false;
    while (i < path.size() && path[i] == '[') {
      const std::size_t end = path.find(']', i);
      const std::string digits = end == std::string::npos ? "" : path.substr(i + 1, end - i - 1);
      if (digits.empty() || digits.size() > 6 ||
          !std::all_of(digits.begin(), digits.end(), [](unsigned char c) { return std::isdigit(c); }))
        return false;
      step.indices.push_back(std::stoul(digits));
      i = end + 1;
    }
    steps.push_back(std::move(step));
    if (i == path.size()) return true;
    if (path[i] != '.') return false;
    ++i;
  }
  return false;
}

void relocate(Node& node, const Location& location) {
  node.location = node.key_location = location;
  node.folder = fs::current_path().string();
  if (node.is_array())
    for (Node& child : node.array()) relocate(child, location);
  if (node.is_table())
    for (auto& [key, child] : node.table()) relocate(child, location);
}

// Another plugin was chosen: the parameters of the old one mean nothing to it, the host's own keys still do.
void forget_parameters(Node& component) {
  static const std::vector<std::string> kHostKeys = {"plugin", "weights", "weights_key", "strict", "stem",
                                                     "weight", "p"};
  Node::Table& table = component.table();
  for (auto it = table.begin(); it != table.end();)
    it = std::find(kHostKeys.begin(), kHostKeys.end(), it->first) == kHostKeys.end() ? table.erase(it) : std::next(it);
}

Node parse_override_value(const std::string& text, const Location& location) {
  Node node;
  try {
    Problems ignored;
    const toml::table parsed = toml::parse("value = " + text);
    node = convert(*parsed.get("value"), "--set", ignored, "");
    if (!ignored.empty() || parsed.size() != 1) node.value = text;
  } catch (const toml::parse_error&) {
    node.value = text;  // a bare word
  }
  relocate(node, location);
  return node;
}

}  // namespace

const char* type_name(const Node& node) {
  static const char* const kNames[] = {"nothing",  "a boolean", "an integer", "a float",
                                       "a string", "an array",  "a table"};
  return kNames[node.value.index()];
}

Node parse_file(const fs::path& path, Problems& problems) {
  Node empty;
  empty.value = Node::Table{};
  empty.location = {path.string(), 1, 1};
  empty.folder = path.parent_path().string();
  try {
    const std::string text = read_file(path);
    return convert(toml::parse(text, path.string()), path.string(), problems, "");
  } catch (const toml::parse_error& e) {
    problems.add(location_of(e.source().begin, path.string()), "", "this is not TOML: " + std::string(e.description()));
    problems.mark_unreadable();
  } catch (const Error& e) {
    problems.add({path.string(), 0, 0}, "", e.what());
    problems.mark_unreadable();
  }
  return empty;
}

void expand_environment(Node& node, Problems& problems) {
  if (auto* text = std::get_if<std::string>(&node.value)) {
    if (text->find('$') != std::string::npos) *text = expand(*text, node, problems);
  } else if (node.is_array()) {
    for (Node& child : node.array()) expand_environment(child, problems);
  } else if (node.is_table()) {
    for (auto& [key, child] : node.table()) expand_environment(child, problems);
  }
}

Node load_with_extends(const fs::path& path, Problems& problems) {
  std::vector<fs::path> chain;
  return load_chain(path, chain, problems);
}

void apply_override(Node& root, const std::string& text, Problems& problems) {
  const Location location{"--set " + text, 0, 0};
  const std::size_t equals = text.find('=');
  std::vector<Step> steps;
  if (equals == std::string::npos || !split_path(text.substr(0, equals), steps)) {
    problems.add(location, "", "--set takes KEY=VALUE, such as train.epochs=5 or augment[0].p=0.3");
    return;
  }
  const std::string path = text.substr(0, equals);
  Node* node = &root;
  Node* parent = nullptr;
  for (std::size_t s = 0; s < steps.size(); ++s) {
    if (!node->is_table()) {
      problems.add(location, path, "'" + steps[s].key + "' is asked of " + type_name(*node) + ", not of a table");
      return;
    }
    parent = node;
    auto [found, added] = node->table().try_emplace(steps[s].key);
    if (added) {
      found->second.value = Node::Table{};
      relocate(found->second, location);
    }
    node = &found->second;
    for (const std::size_t index : steps[s].indices) {
      const std::size_t size = node->is_array() ? node->array().size() : 0;
      if (index >= size) {
        std::string list;  // the key of the whole list
        for (std::size_t above = 0; above <= s; ++above) {
          list += (above > 0 ? "." : "") + steps[above].key;
          if (above < s)
            for (const std::size_t i : steps[above].indices) list += '[' + std::to_string(i) + ']';
        }
        std::string help = "--set '" + list + "=[...]' gives the whole list";
        if (list == "predict.post")
          help =
              "--set 'predict.post=[{plugin = \"NAME\"}]' gives a whole chain, and so does --post FILE of `predict` "
              "and `evaluate`";
        problems.add(location, path,
                     "there is no element " + std::to_string(index) + " of '" + steps[s].key + "', which has " +
                         std::to_string(size),
                     help);
        if (added) parent->table().erase(found);  // the list that is not there is no empty table either
        return;
      }
      node = &node->array()[index];
    }
  }
  Node value = parse_override_value(text.substr(equals + 1), location);
  expand_environment(value, problems);
  const auto *before = node->as<std::string>(), *after = value.as<std::string>();
  const bool other_plugin = steps.back().key == "plugin" && before != nullptr && after != nullptr && *before != *after;
  *node = std::move(value);
  if (other_plugin) forget_parameters(*parent);
}

}  // namespace osteon::recipe
