// SPDX-License-Identifier: Apache-2.0
#include "recipe/schema_export.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "plugin/schema_json.hpp"
#include "plugin/version.hpp"
#include "recipe/fields.hpp"

namespace osteon::recipe {
namespace {

using nlohmann::json;
using plugin::Kind;
using plugin::ParameterSpec;
using plugin::ParameterType;

json element_schema(const ParameterSpec& spec) {
  json schema;
  switch (spec.type) {
    case ParameterType::kBool:
      schema["type"] = "boolean";
      break;
    case ParameterType::kInt:
    case ParameterType::kIntRange:
      schema["type"] = "integer";
      break;
    case ParameterType::kFloat:
    case ParameterType::kFloatRange:
      schema["type"] = "number";
      break;
    default:
      schema["type"] = "string";
  }
  if (std::isfinite(spec.minimum)) schema["minimum"] = spec.minimum;
  if (std::isfinite(spec.maximum)) schema["maximum"] = spec.maximum;
  if (!spec.choices.empty()) schema["enum"] = spec.choices;
  return schema;
}

// [low, high], or the one number that may stand for it.
json range_schema(const ParameterSpec& spec) {
  const json end = element_schema(spec);
  json number = end;
  const double limit = std::min(-spec.minimum, spec.maximum);
  if (plugin::is_symmetric(spec) && std::isfinite(limit)) {
    number["minimum"] = -limit;
    number["maximum"] = limit;
  }
  return {{"anyOf", {number, {{"type", "array"}, {"items", end}, {"minItems", 2}, {"maxItems", 2}}}}};
}

json value_schema(const ParameterSpec& spec, bool scalar_too = false) {
  const bool is_range = plugin::is_range(spec.type);
  json schema = is_range ? range_schema(spec) : element_schema(spec);
  if (spec.list) {
    json list = {{"type", "array"}, {"items", schema}};
    // Two numbers may be one range or two.
    if (is_range) list["not"] = {{"items", {{"type", "number"}}}, {"minItems", 2}, {"maxItems", 2}};
    if (spec.min_count > 0) list["minItems"] = spec.min_count;
    if (spec.max_count != std::numeric_limits<std::uint64_t>::max()) list["maxItems"] = spec.max_count;
    schema = scalar_too ? json{{"anyOf", {schema, list}}} : list;
  }
  schema["description"] = spec.unit.empty() ? spec.doc : spec.doc + " (" + spec.unit + ")";
  if (is_range)
    schema["description"] = fmt::format("{}; a number x means {}", schema.at("description").get<std::string>(),
                                        plugin::range_of_one_number(spec));
  if (spec.default_value) schema["default"] = plugin::to_json(spec).at("default");
  return schema;
}

json section_schema(const Section& section) {
  json properties = json::object();
  // What is required may come from an extended recipe, which an editor does not see: nothing is required here.
  for (const Field& field : section.fields)
    properties[field.spec.name] = value_schema(field.spec, field.accepts_scalar);
  for (const MapField& map : section.maps) {
    json number = {{"type", "number"}, {"minimum", map.minimum}};
    if (std::isfinite(map.maximum)) number["maximum"] = map.maximum;
    properties[map.key] = {{"type", "object"}, {"additionalProperties", number}, {"description", map.doc}};
  }
  return {
      {"type", "object"}, {"description", section.doc}, {"properties", properties}, {"additionalProperties", false}};
}

// A component: its plugin decides which other keys there are.
json component_schema(Kind kind, const std::vector<plugin::ComponentSchema>& schemas, const json& more_properties) {
  json names = json::array(), cases = json::array();
  for (const auto& schema : schemas) {
    // An editor sees the version that is taken where none is asked for.
    if (schema.kind != kind || plugin::highest(schemas, kind, schema.name, "") != &schema) continue;
    names.push_back(schema.name);
    json properties = more_properties;
    properties["version"] = {{"type", "string"}, {"description", "of the component; \"1.2\" is any 1.2.x"}};
    properties["plugin"] = {{"const", schema.name}, {"description", schema.doc}};
    for (const Field& field : component_fields(kind)) properties[field.spec.name] = value_schema(field.spec);
    for (const ParameterSpec& spec : schema.parameters) {
      properties[spec.name] = value_schema(spec);
      for (const std::string& alias : spec.aliases) {
        properties[alias] = properties[spec.name];
        properties[alias]["description"] = "another name of " + spec.name;
      }
    }
    cases.push_back({{"if", {{"properties", {{"plugin", {{"const", schema.name}}}}}, {"required", {"plugin"}}}},
                     {"then", {{"properties", properties}, {"additionalProperties", false}}}});
  }
  json result = {{"type", "object"}, {"properties", {{"plugin", {{"type", "string"}}}}}};
  if (!names.empty()) result["properties"]["plugin"]["enum"] = names;
  if (!cases.empty()) result["allOf"] = cases;
  return result;
}

json list_of(const json& element) { return {{"type", "array"}, {"items", element}}; }

}  // namespace

json json_schema(const std::vector<plugin::ComponentSchema>& schemas) {
  json properties = section_schema(host_section("")).at("properties");
  properties["recipe"] = {{"const", 1}, {"description", "format of the recipe"}};
  properties["extends"] = {{"anyOf", {{{"type", "string"}}, list_of({{"type", "string"}})}},
                           {"description", "recipes beneath this one, merged in order"}};

  properties["data"] = section_schema(host_section("data"));
  properties["data"]["properties"]["mirrored"] = {
      {"description", "pairs of classes that change places in a mirrored image"},
      {"type", "array"},
      {"items", {{"type", "array"}, {"items", {{"type", "string"}}}, {"minItems", 2}, {"maxItems", 2}}}};
  properties["model"] = component_schema(Kind::kModel, schemas, json::object());
  properties["loss"] = list_of(component_schema(Kind::kLoss, schemas, json::object()));
  properties["ensemble"] = component_schema(
      Kind::kEnsembler, schemas,
      {{"member", list_of({{"type", "object"},
                           {"properties", {{"run", {{"type", "string"}, {"description", "run folder"}}}}},
                           {"required", {"run"}},
                           {"additionalProperties", false}})}});

  json plain = component_schema(Kind::kAugmentation, schemas, json::object());
  plain["not"] = {{"required", {"group"}}};
  const json group = {{"type", "object"},
                      {"required", {"group", "steps"}},
                      {"properties",
                       {{"group", {{"enum", {"one_of", "some_of", "sequence"}}}},
                        {"p", {{"type", "number"}, {"minimum", 0}}},
                        {"count", {{"type", "integer"}, {"minimum", 1}}},
                        {"steps", list_of({{"$ref", "#/definitions/augment_step"}})}}},
                      {"additionalProperties", false}};
  properties["augment"] = list_of({{"$ref", "#/definitions/augment_step"}});

  properties["train"] = section_schema(host_section("train"));
  properties["train"]["properties"]["optimizer"] = section_schema(host_section("train.optimizer"));
  properties["train"]["properties"]["scheduler"] = section_schema(host_section("train.scheduler"));
  properties["predict"] = section_schema(host_section("predict"));
  properties["predict"]["properties"]["post"] =
      list_of(component_schema(Kind::kPostprocessor, schemas, json::object()));

  properties["plugins"] = section_schema(host_section("plugins"));

  return {{"$schema", "http://json-schema.org/draft-07/schema#"},
          {"title", "Osteon recipe"},
          {"type", "object"},
          {"required", {"recipe"}},
          {"properties", properties},
          {"additionalProperties", false},
          {"definitions", {{"augment_step", {{"anyOf", {plain, group}}}}}}};
}

}  // namespace osteon::recipe
