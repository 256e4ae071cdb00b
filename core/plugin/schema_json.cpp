// SPDX-License-Identifier: Apache-2.0
#include "plugin/schema_json.hpp"

#include <cmath>

namespace osteon::plugin {
namespace {

using nlohmann::json;

bool is_array(const ParameterSpec& spec) { return spec.list || is_range(spec.type); }
bool is_list_of_ranges(const ParameterSpec& spec) { return spec.list && is_range(spec.type); }

json value_json(const ParameterSpec& spec, const ParameterValue& value) {
  const json all = std::visit([](const auto& list) { return json(list); }, value);
  if (!is_list_of_ranges(spec)) return is_array(spec) ? all : all.at(0);
  json ranges = json::array();
  for (std::size_t i = 0; i + 1 < all.size(); i += 2) ranges.push_back({all[i], all[i + 1]});
  return ranges;
}

ParameterValue value_from_json(const ParameterSpec& spec, const json& given) {
  json list = is_array(spec) ? given : json::array({given});
  if (is_list_of_ranges(spec)) {
    list = json::array();
    for (const json& range : given) list.insert(list.end(), {range.at(0), range.at(1)});
  }
  switch (spec.type) {
    case ParameterType::kBool:
      return list.get<std::vector<bool>>();
    case ParameterType::kInt:
    case ParameterType::kIntRange:
      return list.get<std::vector<std::int64_t>>();
    case ParameterType::kFloat:
    case ParameterType::kFloatRange:
      return list.get<std::vector<double>>();
    default:
      return list.get<std::vector<std::string>>();
  }
}

json bound(double value) { return std::isfinite(value) ? json(value) : json(); }

ParameterSpec spec_from_json(const json& given) {
  ParameterSpec spec;
  spec.name = given.at("name");
  const auto type = parameter_type_from_string(given.at("type"));
  if (!type) throw json::type_error::create(302, "unknown parameter type", &given);
  spec.type = *type;
  spec.list = given.at("list");
  spec.doc = given.at("doc");
  spec.unit = given.at("unit");
  if (!given.at("required").get<bool>()) spec.default_value = value_from_json(spec, given.at("default"));
  if (!given.at("min").is_null()) spec.minimum = given.at("min");
  if (!given.at("max").is_null()) spec.maximum = given.at("max");
  spec.min_count = given.at("min_count");
  if (!given.at("max_count").is_null()) spec.max_count = given.at("max_count");
  spec.choices = given.at("choices").get<std::vector<std::string>>();
  spec.aliases = given.at("aliases").get<std::vector<std::string>>();
  return spec;
}

json row_json(const TypeRow& row) {
  const ComponentType& type = row.whole;
  json less = json::array();
  for (const TypeRow::Less& each : row.less)
    less.push_back({each.beneath_forms, each.beneath_grids, each.gives_forms, each.gives_grids});
  return {{"values", row.values},
          {"multiclass", row.multiclass},
          {"flags", type.flags},
          {"shape", type.shape},
          {"needs", {type.needs_forms, type.needs_grids}},
          {"gives", {type.gives_forms, type.gives_grids}},
          {"less", less}};
}

TypeRow row_from_json(const json& given) {
  TypeRow row;
  row.values = given.at("values").get<std::vector<std::string>>();
  row.multiclass = given.at("multiclass");
  const json &needs = given.at("needs"), &gives = given.at("gives");
  row.whole = {given.at("flags"), given.at("shape"), needs.at(0), needs.at(1), gives.at(0), gives.at(1)};
  for (const json& each : given.at("less")) row.less.push_back({each.at(0), each.at(1), each.at(2), each.at(3)});
  return row;
}

}  // namespace

json to_json(const ParameterSpec& spec) {
  const bool bounded = spec.max_count != std::numeric_limits<std::uint64_t>::max();
  return {{"name", spec.name},
          {"type", to_string(spec.type)},
          {"list", spec.list},
          {"required", !spec.default_value.has_value()},
          {"default", spec.default_value ? value_json(spec, *spec.default_value) : json()},
          {"min", bound(spec.minimum)},
          {"max", bound(spec.maximum)},
          {"min_count", spec.min_count},
          {"max_count", bounded ? json(spec.max_count) : json()},
          {"choices", spec.choices},
          {"aliases", spec.aliases},
          {"one_number", is_range(spec.type) ? json(range_of_one_number(spec)) : json()},
          {"unit", spec.unit},
          {"doc", spec.doc}};
}

json to_json(const ComponentSchema& schema) {
  json parameters = json::array();
  for (const ParameterSpec& spec : schema.parameters) parameters.push_back(to_json(spec));
  json whole = {{"name", schema.name}, {"kind", to_string(schema.kind)}, {"version", schema.version},
                {"doc", schema.doc},   {"reference", schema.reference},  {"parameters", parameters}};
  if (!schema.types.empty()) whole["types"] = json::array();
  for (const TypeRow& row : schema.types) whole["types"].push_back(row_json(row));
  return whole;
}

ComponentSchema component_schema_from_json(const json& given) {
  ComponentSchema schema;
  schema.name = given.at("name");
  const auto kind = kind_from_string(given.at("kind"));
  if (!kind) throw json::type_error::create(302, "unknown kind of component", &given);
  schema.kind = *kind;
  schema.version = given.at("version");
  schema.doc = given.at("doc");
  schema.reference = given.at("reference");
  for (const json& parameter : given.at("parameters")) schema.parameters.push_back(spec_from_json(parameter));
  if (given.contains("types"))
    for (const json& row : given.at("types")) schema.types.push_back(row_from_json(row));
  return schema;
}

}  // namespace osteon::plugin
