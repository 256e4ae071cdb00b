// SPDX-License-Identifier: Apache-2.0
#include "recipe/resolver.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/file.hpp"
#include "base/suggest.hpp"
#include "plugin/allow_list.hpp"
#include "recipe/value.hpp"

namespace osteon::recipe {
namespace {

using plugin::ParameterSpec;
using plugin::ParameterType;

std::string join(const std::string& prefix, const std::string& key) {
  return prefix.empty() ? key : prefix + "." + key;
}

ParameterSpec list_of_strings() {
  ParameterSpec spec;
  spec.type = ParameterType::kString;
  spec.list = true;
  return spec;
}

}  // namespace

LoadedRecipe Resolver::resolve() {
  check_format();
  read_section(host_section(""), &root_, true,
               {"recipe", "data", "model", "ensemble", "augment", "loss", "train", "predict", "plugins"});
  expect_model_or_ensemble();
  read_plugins();
  read_data();
  if (root_.find("model") != nullptr) read_model();
  if (root_.find("ensemble") != nullptr) read_ensemble();
  const bool trains = root_.find("model") != nullptr;
  read_augment();
  read_losses();
  const Node* train = root_.find("train");
  read_section(host_section("train"), train, trains, {"optimizer", "scheduler"});
  read_section(host_section("train.optimizer"), train != nullptr ? train->find("optimizer") : nullptr, false, {});
  read_section(host_section("train.scheduler"), train != nullptr ? train->find("scheduler") : nullptr, false, {});
  read_section(host_section("predict"), root_.find("predict"), false, {"post"});
  read_post();
  check_across();
  return std::move(result_);
}

LoadedRecipe Resolver::resolve_post(const std::vector<std::string>& classes) {
  result_.recipe.data.classes = classes;
  read_section(host_section("predict"), root_.find("predict"), false, {"post"});
  read_post();
  return std::move(result_);
}

void Resolver::check_format() {
  const Node* format = root_.find("recipe");
  if (format == nullptr) {
    problems_.add(root_.location, "recipe", "this recipe does not say which format it has",
                  "add `recipe = 1` as its first line");
  } else if (const auto* number = format->as<std::int64_t>(); number == nullptr || *number != 1) {
    problems_.add(format->location, "recipe", "this program reads recipes of format 1 only", "write `recipe = 1`");
  }
  note("recipe", "1", format != nullptr ? to_string(format->location) : "default");
}

void Resolver::expect_model_or_ensemble() {
  const bool model = root_.find("model") != nullptr, ensemble = root_.find("ensemble") != nullptr;
  if (!model && !ensemble && mistyped_.count("model") == 0 && mistyped_.count("ensemble") == 0)
    problems_.add(root_.location, "model", "there is neither a [model] nor an [ensemble]",
                  "a recipe has one of the two");
  if (model && ensemble)
    problems_.add(root_.find("ensemble")->location, "ensemble", "there are both a [model] and an [ensemble]",
                  "a recipe has one of the two");
}

void Resolver::note(const std::string& key, const std::string& value, const std::string& from,
                    std::vector<std::string> files) {
  result_.recipe.origins.push_back({key, value, from, std::move(files)});
}

void Resolver::refuse_unknown(const Node& table, const std::string& key, const std::set<std::string>& known) {
  for (const auto& [name, child] : table.table()) {
    if (known.count(name)) continue;
    const std::vector<std::string> candidates(known.begin(), known.end());
    if (const std::string meant = nearest(name, candidates); table.find(meant) == nullptr)
      mistyped_.insert(join(key, meant));
    std::string help = suggestion(name, candidates);
    if (help.empty()) help = fmt::format("known keys: {}", fmt::join(candidates, ", "));
    problems_.add(child.key_location, join(key, name),
                  fmt::format("unknown key '{}'{}", name, key.empty() ? "" : " in [" + key + "]"), help);
  }
}

namespace {

/// What a table's key `name` chooses, or its default; empty when it chooses nothing that there is.
std::string name_in(const Section& section, const Node* table) {
  for (const Field& field : section.fields) {
    if (field.spec.name != "name" || field.spec.type != ParameterType::kChoice) continue;
    const Node* node = table != nullptr ? table->find("name") : nullptr;
    if (node == nullptr) return std::get<std::vector<std::string>>(*field.spec.default_value)[0];
    const auto* text = node->as<std::string>();
    const auto& choices = field.spec.choices;
    if (text != nullptr && std::find(choices.begin(), choices.end(), *text) != choices.end()) return *text;
  }
  return {};
}

}  // namespace

void Resolver::read_section(const Section& section, const Node* table, bool needed,
                            const std::set<std::string>& also_known) {
  if (table != nullptr && !table->is_table()) {
    problems_.add(table->location, section.name,
                  fmt::format("'{}' is {}, expected a table", section.name, type_name(*table)));
    return;
  }
  if (table == nullptr && needed) {
    if (mistyped_.count(section.name) == 0)
      problems_.add(root_.location, section.name, fmt::format("the table [{}] is missing", section.name));
    return;
  }
  if (table != nullptr) {
    std::set<std::string> known = also_known;
    for (const Field& field : section.fields) known.insert(field.spec.name);
    for (const MapField& field : section.maps) known.insert(field.key);
    refuse_unknown(*table, section.name, known);
  }
  const std::string chosen = name_in(section, table);
  for (const Field& field : section.fields) {
    // An ensemble is not trained: what training requires is not required of it.
    const Node* written = table != nullptr ? table->find(field.spec.name) : nullptr;
    if (!needed && !field.spec.default_value && written == nullptr) continue;
    if (!field.only_with.empty() && field.only_with != chosen) {
      if (written != nullptr && !chosen.empty())
        problems_.add(written->key_location, join(section.name, field.spec.name),
                      fmt::format("'{}' is a key of \"{}\", and {}.name is \"{}\"", field.spec.name, field.only_with,
                                  section.name, chosen));
      continue;
    }
    read_field(field, table, section.name);
  }
  for (const MapField& field : section.maps) read_map(field, table, section.name);
}

void Resolver::read_field(const Field& field, const Node* table, const std::string& prefix) {
  const std::string key = join(prefix, field.spec.name);
  const Node* node = table != nullptr ? table->find(field.spec.name) : nullptr;
  if (node == nullptr) {
    if (!field.spec.default_value) {
      if (mistyped_.count(key) == 0)
        problems_.add(table->location, key,
                      fmt::format("'{}' is missing; expected {}", key, expected_text(field.spec)));
      return;
    }
    field.assign(result_.recipe, *field.spec.default_value);
    note(key, toml_text(*field.spec.default_value, field.spec), "default");
    return;
  }
  Node wrapped;
  if (field.accepts_scalar && !node->is_array()) {
    wrapped = *node;
    wrapped.value = Node::Array{*node};
    node = &wrapped;
  }
  const auto value = read_value(*node, field.spec, key, problems_);
  if (!value) return;
  field.assign(result_.recipe, *value);
  note(key, toml_text(*value, field.spec), to_string(node->location));
}

void Resolver::read_map(const MapField& field, const Node* table, const std::string& prefix) {
  const Node* node = table != nullptr ? table->find(field.key) : nullptr;
  if (node == nullptr) return;
  const std::string key = join(prefix, field.key);
  if (!node->is_table()) {
    problems_.add(node->location, key, fmt::format("'{}' is {}, expected a table of numbers", key, type_name(*node)));
    return;
  }
  ParameterSpec spec;
  spec.type = ParameterType::kFloat;
  spec.minimum = field.minimum;
  spec.maximum = field.maximum;
  std::map<std::string, double> values;
  for (const auto& [name, child] : node->table()) {
    const auto value = read_value(child, spec, key + "." + name, problems_);
    if (!value) continue;
    values[name] = std::get<std::vector<double>>(*value)[0];
    note(key + "." + toml_string(name), toml_text(*value, spec), to_string(child.location));
  }
  field.assign(result_.recipe, std::move(values));
}

void Resolver::read_plugins() {
  const Node* table = root_.find("plugins");
  read_section(host_section("plugins"), table, false, {});
  const Node* allow = table != nullptr ? table->find("allow") : nullptr;
  for (const Node& each : allow != nullptr && allow->is_array() ? allow->array() : Node::Array{})
    if (const auto* text = each.as<std::string>(); text != nullptr && !plugin::digest_from(*text))
      problems_.add(each.location, "plugins.allow",
                    fmt::format("'{}' is no digest, expected \"sha256:\" and 64 digits of 0-9 and a-f", *text),
                    "`osteon plugins list --allow-list` prints those of what there is");
}

void Resolver::read_data() {
  const Node* table = root_.find("data");
  read_section(host_section("data"), table, true, {"mirrored"});
  if (table != nullptr && table->is_table()) read_mirrored(table->find("mirrored"));
  if (const auto& weights = result_.recipe.data.weights; !weights.empty()) {
    if (!problems_.concern(place("data.weights")) && !is_file(weights))
      problems_.add(place("data.weights"), "data.weights", "there is no file " + weights.string());
    for (Origin& origin : result_.recipe.origins)
      if (origin.key == "data.weights") origin.files = {weights.string()};
  }
  std::vector<int>& size = result_.recipe.data.image_size;
  if (size.size() == 1) size.push_back(size[0]);
}

void Resolver::read_mirrored(const Node* node) {
  DataSection& data = result_.recipe.data;
  if (node == nullptr || !sound({"data.classes"})) return;
  const auto refuse = [&](const Node& where, const std::string& message, const std::string& help = {}) {
    problems_.add(where.location, "data.mirrored", message, help);
  };
  if (!node->is_array()) return refuse(*node, "'data.mirrored' is an array of pairs of class names");
  for (std::size_t i = 0; i < data.classes.size(); ++i) data.mirrored.push_back(static_cast<int>(i));
  std::string text = "[";
  std::set<int> paired;
  for (const Node& pair : node->array()) {
    std::vector<int> ends;
    for (const Node& end : pair.is_array() ? pair.array() : Node::Array{}) {
      const auto* name = end.as<std::string>();
      const auto found =
          name == nullptr ? data.classes.end() : std::find(data.classes.begin(), data.classes.end(), *name);
      if (found == data.classes.end()) {
        refuse(end, "no such class in data.classes", name == nullptr ? "" : suggestion(*name, data.classes));
        return;
      }
      ends.push_back(static_cast<int>(found - data.classes.begin()));
      if (!paired.insert(ends.back()).second) return refuse(end, fmt::format("the class '{}' is in two pairs", *name));
    }
    if (ends.size() != 2) return refuse(pair, "each element of 'data.mirrored' is a pair of class names");
    data.mirrored[static_cast<std::size_t>(ends[0])] = ends[1];
    data.mirrored[static_cast<std::size_t>(ends[1])] = ends[0];
    std::vector<std::string> names;
    for (const int end : ends) names.push_back(data.classes[static_cast<std::size_t>(end)]);
    text += (text.size() > 1 ? ", " : "") + toml_text(names, list_of_strings());
  }
  note("data.mirrored", text + "]", to_string(node->location));
}

}  // namespace osteon::recipe
