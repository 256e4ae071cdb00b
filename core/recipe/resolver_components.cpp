// SPDX-License-Identifier: Apache-2.0
// The tables that name plugins: their components, and the steps, terms and members that hold them.
#include <algorithm>
#include <filesystem>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "base/file.hpp"
#include "base/suggest.hpp"
#include "plugin/version.hpp"
#include "recipe/resolver.hpp"
#include "recipe/value.hpp"

namespace osteon::recipe {

using plugin::Kind;
using plugin::ParameterSpec;
using plugin::ParameterType;

namespace {

// What was refused, of which a file that says it holds the missing plugin, or is named like it, is the likeliest.
std::string refused_libraries(const std::string& plugin, const std::vector<RefusedLibrary>& refused) {
  for (const RefusedLibrary& library : refused) {
    const auto& held = library.plugins;
    if (std::find(held.begin(), held.end(), plugin) != held.end() ||
        library.file.filename().string().find(plugin) != std::string::npos)
      return fmt::format("{} is refused: {}", library.file.string(), library.reason);
  }
  if (refused.empty()) return "";
  return fmt::format("{} refused; `osteon plugins list` says why",
                     refused.size() == 1 ? "1 library is" : fmt::format("{} libraries are", refused.size()));
}

}  // namespace

void Resolver::note_files(const std::string& key, const plugin::ParameterValue& value, const ParameterSpec& spec,
                          const Node& node) {
  const auto& paths = std::get<std::vector<std::string>>(value);
  for (const std::string& path : paths)
    if (!path.empty() && !problems_.concern(node.location) && !is_there(path))
      problems_.add(node.location, key, "there is no file " + path);
  note(key, toml_text(value, spec), to_string(node.location), paths);
}

const plugin::ComponentSchema* Resolver::find_schema(Kind kind, const Node& name, const std::string& key,
                                                     const Node* version) {
  const auto* text = name.as<std::string>();
  if (text == nullptr) {
    problems_.add(name.location, key, fmt::format("'{}' is {}, expected the name of a plugin", key, type_name(name)));
    return nullptr;
  }
  std::string asked;
  if (version != nullptr) {
    if (version->as<std::string>() == nullptr) {
      problems_.add(version->location, "version",
                    fmt::format("'version' is {}, expected a string such as \"1.2\"", type_name(*version)));
      return nullptr;
    }
    asked = *version->as<std::string>();
  }
  if (const auto* found = plugin::highest(options_.schemas, kind, *text, asked)) return found;
  std::vector<std::string> names, versions;
  for (const auto& schema : options_.schemas) {
    if (schema.kind != kind) continue;
    names.push_back(schema.name);
    if (schema.name == *text) versions.push_back(schema.version);
  }
  if (!versions.empty()) {
    problems_.add(version->location, "version",
                  fmt::format("there is no {} plugin '{}' of version {}", plugin::to_string(kind), *text, asked),
                  fmt::format("there is: {}", fmt::join(versions, ", ")));
    return nullptr;
  }
  for (const auto& schema : options_.schemas)
    if (schema.name == *text) {
      problems_.add(name.location, key,
                    fmt::format("'{}' is a plugin of kind {}; here one of kind {} is needed", *text,
                                plugin::to_string(schema.kind), plugin::to_string(kind)));
      return nullptr;
    }
  std::sort(names.begin(), names.end());
  std::string help = suggestion(*text, names);
  if (help.empty())
    help = names.empty() ? fmt::format("no {} plugin was found at all; `osteon plugins list` shows what there is",
                                       plugin::to_string(kind))
                         : fmt::format("there are: {}", fmt::join(names, ", "));
  if (const std::string refused = refused_libraries(*text, options_.refused); !refused.empty())
    help += (help.empty() ? "" : "; ") + refused;
  problems_.add(
      name.location, key,
      fmt::format("there is no {} plugin '{}'; its parameters cannot be checked", plugin::to_string(kind), *text),
      help);
  return nullptr;
}

void Resolver::check_allowed(const plugin::ComponentSchema& schema, const Node& name, const std::string& key) {
  const auto& allow = result_.recipe.plugins.allow;
  const std::string digest = "sha256:" + schema.library_sha256;
  if (!allow.empty() && std::find(allow.begin(), allow.end(), digest) == allow.end())
    problems_.add(name.location, key,
                  fmt::format("the library of the {} plugin '{}' is not among the recipe's [plugins] allow",
                              plugin::to_string(schema.kind), schema.name),
                  "it is " + digest);
}

Component Resolver::read_component(Kind kind, const Node& table, const std::string& key,
                                   const std::set<std::string>& host_keys) {
  Component component;
  component.kind = kind;
  component.location = table.location;
  const Node* name = table.find("plugin");
  if (name == nullptr) {
    for (const auto& [written, child] : table.table()) {
      const std::string help = suggestion(written, {"plugin"});
      if (help.empty()) continue;
      problems_.add(child.key_location, key + "." + written, fmt::format("unknown key '{}' in [{}]", written, key),
                    help);
      return component;
    }
    problems_.add(
        table.location, key + ".plugin", fmt::format("[{}] does not name its plugin", key),
        fmt::format("add `plugin = \"...\"`; `osteon plugins list` shows the {} plugins", plugin::to_string(kind)));
    return component;
  }
  const Node* version = table.find("version");
  const plugin::ComponentSchema* schema = find_schema(kind, *name, key + ".plugin", version);
  if (schema == nullptr) return component;
  if (version != nullptr) {
    component.version = *version->as<std::string>();
    note(key + ".version", toml_string(component.version), to_string(version->location));
  }
  check_allowed(*schema, *name, key + ".plugin");
  component.plugin = schema->name;
  note(key + ".plugin", toml_string(schema->name), to_string(name->location));
  std::set<std::string> known = host_keys;
  known.insert({"plugin", "version"});
  for (const ParameterSpec& spec : schema->parameters) {
    known.insert(spec.name);
    known.insert(spec.aliases.begin(), spec.aliases.end());
  }
  refuse_unknown(table, key, known);
  for (const ParameterSpec& spec : schema->parameters) read_parameter(spec, table, key, component);
  return component;
}

void Resolver::read_parameter(const ParameterSpec& spec, const Node& table, const std::string& key,
                              Component& component) {
  const std::string path = key + "." + spec.name;
  std::string written = spec.name;
  const Node* node = table.find(spec.name);
  for (const std::string& alias : spec.aliases) {
    const Node* other = table.find(alias);
    if (other == nullptr) continue;
    if (node != nullptr) {
      problems_.add(other->key_location, key + "." + alias,
                    fmt::format("'{}' is another name of '{}', and both are given", alias, written),
                    fmt::format("'{}' is given at {}", written, to_string(node->key_location)));
      continue;
    }
    node = other;
    written = alias;
  }
  if (node == nullptr) {
    if (!spec.default_value) {
      if (mistyped_.count(path) == 0)
        problems_.add(table.location, path, fmt::format("'{}' is missing; expected {}", path, expected_text(spec)));
      component.parameters.emplace_back();
      return;
    }
    component.parameters.push_back(*spec.default_value);
    note(path, toml_text(*spec.default_value, spec), "default of " + component.plugin);
    return;
  }
  written = key + "." + written;
  const auto value = read_value(*node, spec, written, problems_);
  component.parameters.push_back(value.value_or(plugin::ParameterValue()));
  if (!value) return;
  warn_of_negative_numbers(spec, *node, written);
  if (spec.type == ParameterType::kPath) return note_files(path, *value, spec, *node);
  note(path, toml_text(*value, spec), to_string(node->location));
  if (spec.type == ParameterType::kClasses) check_class_names(*node, written);
  if (spec.type == ParameterType::kPredictor && !problems_.concern(node->location))
    for (const std::string& name : std::get<std::vector<std::string>>(*value))
      if (!is_there(name)) problems_.add(node->location, written, fmt::format("there is no run or recipe {}", name));
}

void Resolver::check_class_names(const Node& node, const std::string& key) {
  if (!sound({"data.classes"})) return;
  const std::vector<std::string>& classes = seen_classes_.empty() ? result_.recipe.data.classes : seen_classes_;
  for (const Node& each : node.is_array() ? node.array() : Node::Array{node}) {
    const auto* name = each.as<std::string>();
    if (name == nullptr || std::find(classes.begin(), classes.end(), *name) != classes.end()) continue;
    problems_.add(each.location, key,
                  fmt::format("'{}' names the class '{}', which {} does not have", key, *name,
                              seen_classes_.empty() ? "data.classes" : "this post-processor's `classes`"),
                  suggestion(*name, classes));
  }
}

void Resolver::warn_of_negative_numbers(const ParameterSpec& spec, const Node& node, const std::string& key) {
  if (!plugin::is_range(spec.type) || !plugin::is_symmetric(spec)) return;
  if (spec.list && node.is_array())
    for (const Node& element : node.array())
      if (!element.is_array()) warn_of_negative_numbers(spec, element, key);
  const auto* integer = node.as<std::int64_t>();
  const auto* real = node.as<double>();
  const double x = integer != nullptr ? static_cast<double>(*integer) : real != nullptr ? *real : 0;
  if (x < 0)
    result_.warnings.push_back(fmt::format("{}: '{}' is {}, taken for [{}, {}]; write {}, or the range that is meant",
                                           to_string(node.location), key, x, x, -x, -x));
}

void Resolver::read_model() {
  const Node& table = *root_.find("model");
  result_.recipe.model.emplace();
  if (!table.is_table()) {
    problems_.add(table.location, "model", fmt::format("'model' is {}, expected a table", type_name(table)));
    return;
  }
  result_.recipe.model->component =
      read_component(Kind::kModel, table, "model", {"weights", "weights_key", "strict", "stem"});
  for (const Field& field : component_fields(Kind::kModel)) read_field(field, &table, "model");
  const auto& weights = result_.recipe.model->weights;
  if (weights.empty()) {
    if (!result_.recipe.model->weights_key.empty())
      problems_.add(place("model.weights_key"), "model.weights_key",
                    "model.weights_key chooses a state dict of model.weights, which the recipe does not give");
    return;
  }
  if (!problems_.concern(place("model.weights")) && !is_file(weights))
    problems_.add(place("model.weights"), "model.weights", "there is no file " + weights.string());
  for (Origin& origin : result_.recipe.origins)
    if (origin.key == "model.weights") origin.files = {weights.string()};
}

std::vector<const Node*> Resolver::tables_of(const Node* node, const std::string& key) {
  std::vector<const Node*> tables;
  if (node == nullptr) return tables;
  if (!node->is_array()) {
    problems_.add(node->location, key,
                  fmt::format("'{}' is {}, expected an array of tables, [[{}]]", key, type_name(*node), key));
    return tables;
  }
  for (const Node& each : node->array()) {
    if (each.is_table())
      tables.push_back(&each);
    else
      problems_.add(each.location, key,
                    fmt::format("an element of '{}' is {}, expected a table", key, type_name(each)));
  }
  return tables;
}

void Resolver::read_losses() {
  const auto tables = tables_of(root_.find("loss"), "loss");
  for (std::size_t i = 0; i < tables.size(); ++i) {
    const std::string key = fmt::format("loss[{}]", i);
    LossTerm term;
    term.component = read_component(Kind::kLoss, *tables[i], key, {"weight", "output"});
    for (Field field : component_fields(Kind::kLoss)) {
      field.assign = [&term](Recipe&, const plugin::ParameterValue& value) {
        if (const auto* numbers = std::get_if<std::vector<double>>(&value))
          term.weight = (*numbers)[0];
        else
          term.output = std::get<std::vector<std::string>>(value)[0];
      };
      read_field(field, tables[i], key);
    }
    result_.recipe.loss.push_back(std::move(term));
  }
}

AugmentStep Resolver::read_step(const Node& node, const std::string& key, bool is_choice) {
  AugmentStep step;
  step.location = node.location;
  for (Field field : component_fields(Kind::kAugmentation)) {
    field.assign = [&step](Recipe&, const plugin::ParameterValue& value) {
      step.p = std::get<std::vector<double>>(value)[0];
    };
    read_field(field, &node, key);
  }
  // Of a choice `p` is a weight, which the bound of a probability does not hold for.
  if (step.p > 1 && !is_choice)
    problems_.add(node.find("p")->location, key + ".p",
                  fmt::format("'{}.p' is {}, a probability is at most 1", key, step.p));
  const Node* group = node.find("group");
  if (group == nullptr) {
    step.component = read_component(Kind::kAugmentation, node, key, {"p"});
    return step;
  }
  ParameterSpec spec;
  spec.type = ParameterType::kChoice;
  spec.choices = {"one_of", "some_of", "sequence"};
  if (const auto value = read_value(*group, spec, key + ".group", problems_)) {
    step.group = std::get<std::vector<std::string>>(*value)[0];
    note(key + ".group", toml_string(step.group), to_string(group->location));
  }
  refuse_unknown(node, key, {"group", "p", "count", "steps"});
  if (const Node* count = node.find("count")) {
    ParameterSpec number;
    number.type = ParameterType::kInt;
    number.minimum = 1;
    number.maximum = std::numeric_limits<int>::max();
    if (step.group != "some_of" && !step.group.empty())
      problems_.add(count->location, key + ".count", fmt::format("'count' belongs to some_of, not to {}", step.group));
    if (const auto value = read_value(*count, number, key + ".count", problems_)) {
      step.count = static_cast<int>(std::get<std::vector<std::int64_t>>(*value)[0]);
      note(key + ".count", toml_text(*value, number), to_string(count->location));
    }
  }
  const auto tables = tables_of(node.find("steps"), key + ".steps");
  for (std::size_t i = 0; i < tables.size(); ++i) {
    const std::string child = fmt::format("{}.steps[{}]", key, i);
    step.steps.push_back(read_step(*tables[i], child, step.group == "one_of" || step.group == "some_of"));
  }
  if (tables.empty())
    problems_.add(node.location, key + ".steps", fmt::format("the group '{}' has no [[augment.steps]]", step.group));
  if (step.group == "some_of" && step.count > static_cast<int>(tables.size()))
    problems_.add(node.location, key + ".count",
                  fmt::format("some_of asks for {} of {} steps", step.count, tables.size()));
  return step;
}

void Resolver::read_augment() {
  const auto tables = tables_of(root_.find("augment"), "augment");
  for (std::size_t i = 0; i < tables.size(); ++i)
    result_.recipe.augment.push_back(read_step(*tables[i], fmt::format("augment[{}]", i), false));
}

void Resolver::read_post() {
  const Node* predict = root_.find("predict");
  const auto tables = tables_of(predict != nullptr ? predict->find("post") : nullptr, "predict.post");
  for (std::size_t i = 0; i < tables.size(); ++i) {
    const std::string key = fmt::format("predict.post[{}]", i);
    // Classes that its parameters name are among those that it sees.
    seen_classes_ = read_seen_classes(*tables[i], key);
    result_.recipe.predict.post.push_back(read_component(Kind::kPostprocessor, *tables[i], key, {"classes"}));
    result_.recipe.predict.post.back().classes = std::exchange(seen_classes_, {});
  }
}

std::vector<std::string> Resolver::read_seen_classes(const Node& table, const std::string& post) {
  const Node* node = table.find("classes");
  if (node == nullptr) return {};
  const std::string key = post + ".classes";
  const ParameterSpec& spec = component_fields(Kind::kPostprocessor).front().spec;
  const auto value = read_value(*node, spec, key, problems_);
  if (!value) return {};
  const auto& names = std::get<std::vector<std::string>>(*value);
  note(key, toml_text(*value, spec), to_string(node->location));
  check_class_names(*node, key);
  for (std::size_t i = 0; i < names.size(); ++i)
    if (std::find(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(i), names[i]) !=
        names.begin() + static_cast<std::ptrdiff_t>(i))
      problems_.add(node->array()[i].location, key, fmt::format("'{}' names the class '{}' twice", key, names[i]));
  if (sound({"data.kind"}) && result_.recipe.data.kind == "multiclass")
    problems_.add(node->location, key,
                  fmt::format("'{}' has no meaning for data.kind = \"multiclass\" ({}), where what one class loses "
                              "another gets",
                              key, to_string(place("data.kind"))));
  return names;
}

void Resolver::read_ensemble() {
  const Node& table = *root_.find("ensemble");
  result_.recipe.ensemble.emplace();
  if (!table.is_table()) {
    problems_.add(table.location, "ensemble", fmt::format("'ensemble' is {}, expected a table", type_name(table)));
    return;
  }
  EnsembleSection& ensemble = *result_.recipe.ensemble;
  ensemble.component = read_component(Kind::kEnsembler, table, "ensemble", {"member"});
  const auto members = tables_of(table.find("member"), "ensemble.member");
  ParameterSpec path;
  path.type = ParameterType::kPath;
  for (std::size_t i = 0; i < members.size(); ++i) {
    const std::string key = fmt::format("ensemble.member[{}]", i);
    refuse_unknown(*members[i], key, {"run"});
    const Node* run = members[i]->find("run");
    if (run == nullptr) {
      problems_.add(members[i]->location, key + ".run", "a member names its run folder", "add `run = \"...\"`");
      continue;
    }
    const auto value = read_value(*run, path, key + ".run", problems_);
    if (!value) continue;
    const std::filesystem::path folder = std::get<std::vector<std::string>>(*value)[0];
    if (!problems_.concern(run->location) && !is_there(folder / "recipe.toml"))
      problems_.add(run->location, key + ".run", "there is no run folder " + folder.string(), "train it first");
    ensemble.members.push_back({folder, run->location});
    note(key + ".run", toml_text(*value, path), to_string(run->location));
  }
  if (members.empty()) problems_.add(table.location, "ensemble.member", "the ensemble has no [[ensemble.member]]");
}

}  // namespace osteon::recipe
