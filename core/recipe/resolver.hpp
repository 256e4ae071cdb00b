// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <initializer_list>
#include <set>
#include <string>
#include <vector>

#include "recipe/fields.hpp"
#include "recipe/load_recipe.hpp"
#include "recipe/node.hpp"

namespace osteon::recipe {

/// Turns a merged tree into a Recipe, noting every value's origin and every problem. One use.
class Resolver {
 public:
  Resolver(const Node& root, const LoadOptions& options, Problems& problems)
      : root_(root), options_(options), problems_(problems) {}

  /// Whatever could be resolved; complete only when no problem was added.
  LoadedRecipe resolve();
  /// `[predict]` alone, for data of these classes.
  LoadedRecipe resolve_post(const std::vector<std::string>& classes);

 private:
  void check_format();
  void expect_model_or_ensemble();
  void read_section(const Section& section, const Node* table, bool needed, const std::set<std::string>& also_known);
  void read_field(const Field& field, const Node* table, const std::string& prefix);
  void read_map(const MapField& field, const Node* table, const std::string& prefix);
  void read_plugins();
  void read_data();
  void read_mirrored(const Node* node);
  void read_model();
  void read_losses();
  AugmentStep read_step(const Node& node, const std::string& key, bool is_choice);
  void read_augment();
  void read_post();
  /// The `classes` of a `[[predict.post]]`; none where it is for all.
  std::vector<std::string> read_seen_classes(const Node& table, const std::string& post);
  void read_ensemble();
  std::vector<const Node*> tables_of(const Node* node, const std::string& key);

  /// A component and its parameters; `host_keys` are read by the caller.
  Component read_component(plugin::Kind kind, const Node& table, const std::string& key,
                           const std::set<std::string>& host_keys);
  /// `version` is what the table says of it; nullptr when it says nothing.
  const plugin::ComponentSchema* find_schema(plugin::Kind kind, const Node& name, const std::string& key,
                                             const Node* version);
  void check_allowed(const plugin::ComponentSchema& schema, const Node& name, const std::string& key);
  void read_parameter(const plugin::ParameterSpec& spec, const Node& table, const std::string& key,
                      Component& component);
  /// Refuses names of classes that there are not, each where it stands.
  void check_class_names(const Node& node, const std::string& key);
  /// A negative number where a range belongs says the same as its opposite, and was hardly meant to.
  void warn_of_negative_numbers(const plugin::ParameterSpec& spec, const Node& node, const std::string& key);
  /// Refuses keys that are not among `known`, and takes down what they seem to have meant.
  void refuse_unknown(const Node& table, const std::string& key, const std::set<std::string>& known);
  void note(const std::string& key, const std::string& value, const std::string& from,
            std::vector<std::string> files = {});
  /// Notes a path that is a part of the recipe, and refuses what is not there.
  void note_files(const std::string& key, const plugin::ParameterValue& value, const plugin::ParameterSpec& spec,
                  const Node& node);

  void check_across();
  void check_channels();
  void check_intensity();
  void check_classes();
  void check_layout();
  /// Whether all of these keys have values that can be held against each other.
  bool sound(std::initializer_list<const char*> keys) const;
  /// What stands at a path, "data.kind"; nullptr where nothing does.
  const Node* written(const std::string& path) const;
  /// Where it stands, else where the nearest table above it does.
  const Location& place(const std::string& path) const;

  const Node& root_;
  const LoadOptions& options_;
  Problems& problems_;
  LoadedRecipe result_;
  std::vector<std::string> seen_classes_;  // by the component that is being read; empty: all of the data
  std::set<std::string> mistyped_;  // keys for which one that is misspelt seems to stand; so they are not missing
};

}  // namespace osteon::recipe
