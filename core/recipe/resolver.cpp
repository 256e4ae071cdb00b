// SPDX-License-Identifier: Apache-2.0
#include "recipe/resolver.hpp"

#include <algorithm>
#include <filesystem>
#include <limits>

#include <fmt/format.h>

#include "base/suggest.hpp"
#include "plugin/allow_list.hpp"
#include "recipe/value.hpp"

namespace osteon::recipe {
namespace {

using plugin::Kind;
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

std::string suggestion(const std::string& word, const std::vector<std::string>& candidates) {
  const std::string guess = nearest(word, candidates);
  return guess.empty() ? "" : "did you mean '" + guess + "'?";
}

// What was refused, of which a file that is named like the missing plugin is the likeliest.
std::string refused_libraries(const std::string& plugin, const std::vector<RefusedLibrary>& refused) {
  for (const RefusedLibrary& library : refused)
    if (library.file.filename().string().find(plugin) != std::string::npos)
      return fmt::format("{} is refused: {}", library.file.string(), library.reason);
  if (refused.empty()) return "";
  return fmt::format("{} refused; `osteon plugins list` says why",
                     refused.size() == 1 ? "1 library is" : fmt::format("{} libraries are", refused.size()));
}

}  // namespace

LoadedRecipe Resolver::resolve() {
  check_top_level();
  read_section(host_section(""), &root_, true,
               {"recipe", "data", "model", "ensemble", "augment", "loss", "train", "predict", "plugins"});
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

void Resolver::check_top_level() {
  const Node* format = root_.find("recipe");
  if (format == nullptr) {
    problems_.add(root_.location, "recipe", "this recipe does not say which format it has",
                  "add `recipe = 1` as its first line");
  } else if (const auto* number = format->as<std::int64_t>(); number == nullptr || *number != 1) {
    problems_.add(format->location, "recipe", "this program reads recipes of format 1 only", "write `recipe = 1`");
  }
  note("recipe", "1", format != nullptr ? to_string(format->location) : "default");
  const bool model = root_.find("model") != nullptr, ensemble = root_.find("ensemble") != nullptr;
  if (!model && !ensemble)
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

void Resolver::note_files(const std::string& key, const plugin::ParameterValue& value, const ParameterSpec& spec,
                          const Node& node) {
  const auto& paths = std::get<std::vector<std::string>>(value);
  for (const std::string& path : paths)
    if (!path.empty() && !std::filesystem::exists(path)) problems_.add(node.location, key, "there is no file " + path);
  note(key, toml_text(value, spec), to_string(node.location), paths);
}

void Resolver::refuse_unknown(const Node& table, const std::string& key, const std::set<std::string>& known) {
  for (const auto& [name, child] : table.table()) {
    if (known.count(name)) continue;
    const std::vector<std::string> candidates(known.begin(), known.end());
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
      problems_.add(table->location, key, fmt::format("'{}' is missing; expected {}", key, expected_text(field.spec)));
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
  std::vector<int>& size = result_.recipe.data.image_size;
  if (size.size() == 1) size.push_back(size[0]);
}

void Resolver::read_mirrored(const Node* node) {
  DataSection& data = result_.recipe.data;
  if (node == nullptr) return;
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

const plugin::ComponentSchema* Resolver::find_schema(Kind kind, const Node& name, const std::string& key) {
  const auto* text = name.as<std::string>();
  if (text == nullptr) {
    problems_.add(name.location, key, fmt::format("'{}' is {}, expected the name of a plugin", key, type_name(name)));
    return nullptr;
  }
  std::vector<std::string> names;
  for (const auto& schema : options_.schemas) {
    if (schema.kind != kind) continue;
    if (schema.name == *text) return &schema;
    names.push_back(schema.name);
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
    problems_.add(
        table.location, key + ".plugin", fmt::format("[{}] does not name its plugin", key),
        fmt::format("add `plugin = \"...\"`; `osteon plugins list` shows the {} plugins", plugin::to_string(kind)));
    return component;
  }
  const plugin::ComponentSchema* schema = find_schema(kind, *name, key + ".plugin");
  if (schema == nullptr) return component;
  check_allowed(*schema, *name, key + ".plugin");
  component.plugin = schema->name;
  note(key + ".plugin", toml_string(schema->name), to_string(name->location));
  std::set<std::string> known = host_keys;
  known.insert("plugin");
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
  const Node* node = table.find(spec.name);
  for (const std::string& alias : spec.aliases) {
    const Node* old = table.find(alias);
    if (old == nullptr) continue;
    if (node != nullptr) {
      problems_.add(old->key_location, key + "." + alias,
                    fmt::format("'{}' is an old name of '{}', and both are given", alias, spec.name));
    } else {
      node = old;
      result_.warnings.push_back(
          fmt::format("{}: '{}' is an old name of '{}'", to_string(old->key_location), alias, spec.name));
    }
  }
  if (node == nullptr) {
    if (!spec.default_value) {
      problems_.add(table.location, path, fmt::format("'{}' is missing; expected {}", path, expected_text(spec)));
      component.parameters.emplace_back();
      return;
    }
    component.parameters.push_back(*spec.default_value);
    note(path, toml_text(*spec.default_value, spec), "default of " + component.plugin);
    return;
  }
  const auto value = read_value(*node, spec, path, problems_);
  component.parameters.push_back(value.value_or(plugin::ParameterValue()));
  if (!value) return;
  if (spec.type == ParameterType::kPath) return note_files(path, *value, spec, *node);
  note(path, toml_text(*value, spec), to_string(node->location));
  if (spec.type == ParameterType::kClasses) {
    const auto& classes = result_.recipe.data.classes;
    for (const std::string& name : std::get<std::vector<std::string>>(*value))
      if (std::find(classes.begin(), classes.end(), name) == classes.end())
        problems_.add(node->location, path,
                      fmt::format("'{}' names the class '{}', which data.classes does not have", path, name),
                      suggestion(name, classes));
  }
  if (spec.type == ParameterType::kPredictor)
    for (const std::string& name : std::get<std::vector<std::string>>(*value))
      if (!std::filesystem::exists(name))
        problems_.add(node->location, path, fmt::format("there is no run or recipe {}", name));
}

void Resolver::read_model() {
  const Node& table = *root_.find("model");
  result_.recipe.model.emplace();
  if (!table.is_table()) {
    problems_.add(table.location, "model", fmt::format("'model' is {}, expected a table", type_name(table)));
    return;
  }
  result_.recipe.model->component = read_component(Kind::kModel, table, "model", {"weights", "strict", "stem"});
  for (const Field& field : component_fields(Kind::kModel)) read_field(field, &table, "model");
  const auto& weights = result_.recipe.model->weights;
  if (weights.empty()) return;
  if (!std::filesystem::is_regular_file(weights))
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
    term.component = read_component(Kind::kLoss, *tables[i], key, {"weight"});
    for (Field field : component_fields(Kind::kLoss)) {
      field.assign = [&term](Recipe&, const plugin::ParameterValue& value) {
        term.weight = std::get<std::vector<double>>(value)[0];
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
  for (std::size_t i = 0; i < tables.size(); ++i)
    result_.recipe.predict.post.push_back(
        read_component(Kind::kPostprocessor, *tables[i], fmt::format("predict.post[{}]", i), {}));
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
    if (!std::filesystem::exists(folder / "recipe.toml"))
      problems_.add(run->location, key + ".run", "there is no run folder " + folder.string(), "train it first");
    ensemble.members.push_back({folder, run->location});
    note(key + ".run", toml_text(*value, path), to_string(run->location));
  }
  if (members.empty()) problems_.add(table.location, "ensemble.member", "the ensemble has no [[ensemble.member]]");
}

const Location& Resolver::place(const std::string& path) const {
  const Node* node = &root_;
  for (std::size_t start = 0; start <= path.size();) {
    const std::size_t end = std::min(path.find('.', start), path.size());
    const Node* next = node->find(path.substr(start, end - start));
    if (next == nullptr) break;
    node = next;
    start = end + 1;
  }
  return node->location;
}

void Resolver::check_across() {
  const Recipe& r = result_.recipe;
  if (root_.find("data") != nullptr && root_.find("data")->find("root") != nullptr && r.data.root.empty())
    problems_.add(place("data.root"), "data.root", "'data.root' is empty", "name the folder of the data set");
  if (r.data.fold >= r.data.folds)
    problems_.add(place("data.fold"), "data.fold",
                  fmt::format("fold {} of {} folds; folds are counted from 0", r.data.fold, r.data.folds));
  if (r.data.channels == 2)
    problems_.add(place("data.channels"), "data.channels", "'data.channels' is 2, expected 1 or 3");
  const auto channels = static_cast<std::size_t>(r.data.channels);
  for (const auto& [key, list] :
       {std::pair<const char*, const std::vector<double>*>{"data.mean", &r.data.mean}, {"data.std", &r.data.std}})
    if (!list->empty() && list->size() != channels)
      problems_.add(place(key), key, fmt::format("'{}' has {} numbers for {} channels", key, list->size(), channels));
  if (root_.find("model") != nullptr && root_.find("loss") == nullptr && r.train.epochs > 0)
    problems_.add(root_.location, "loss", "there is no [[loss]] to train with");
  std::set<std::string> seen;
  for (const std::string& name : r.data.classes) {
    if (name.empty()) problems_.add(place("data.classes"), "data.classes", "a class has no name");
    if (!seen.insert(name).second)
      problems_.add(place("data.classes"), "data.classes", fmt::format("the class '{}' is named twice", name));
  }
  for (const auto& [name, value] : r.predict.thresholds)
    if (!seen.count(name))
      problems_.add(root_.find("predict")->find("thresholds")->find(name)->key_location, "predict.thresholds." + name,
                    fmt::format("there is no class '{}'", name), suggestion(name, r.data.classes));
  if (r.data.kind == "multiclass" && !r.predict.thresholds.empty())
    problems_.add(place("predict.thresholds"), "predict.thresholds",
                  "thresholds have no meaning for data.kind = \"multiclass\", where the class of the greatest "
                  "probability is taken");
  if (r.data.kind == "multilabel" && r.data.layout == "index_png")
    problems_.add(place("data.layout"), "data.layout", "index_png holds one class per pixel",
                  "write data.kind = \"multiclass\"");
  if (r.data.kind == "multiclass" && r.data.layout == "boostcamp")
    problems_.add(place("data.layout"), "data.layout", "boostcamp's polygons overlap",
                  "write data.kind = \"multilabel\"");
}

}  // namespace osteon::recipe
