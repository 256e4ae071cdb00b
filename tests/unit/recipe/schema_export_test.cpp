// SPDX-License-Identifier: Apache-2.0
// The structure of the JSON Schema. Whether a validator takes and refuses real recipes by it: json_schema_check.py.
#include "recipe/schema_export.hpp"

#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "recipe/fields.hpp"
#include "unit/recipe/schemas.hpp"

namespace osteon::recipe::test {
namespace {

using nlohmann::json;

const json& exported() {
  static const json kSchema = json_schema(schemas());
  return kSchema;
}

// What stands in `then` for a plugin among the cases of a component.
json properties_of(const json& component, const std::string& plugin) {
  for (const json& each : component.at("allOf"))
    if (each.at("if").at("properties").at("plugin").at("const") == plugin) return each.at("then").at("properties");
  return {};
}

TEST(JsonSchema, IsDraftSevenAndClosedAtTheTop) {
  EXPECT_EQ(exported().at("$schema"), "http://json-schema.org/draft-07/schema#");
  EXPECT_EQ(exported().at("additionalProperties"), false);
  EXPECT_EQ(exported().at("required"), json::array({"recipe"}));
  EXPECT_EQ(exported().at("properties").at("recipe").at("const"), 1);
}

TEST(JsonSchema, HasEveryKeyOfTheHostWithItsDocumentation) {
  for (const Section& section : host_sections()) {
    json place = exported();
    for (std::size_t start = 0; !section.name.empty() && start <= section.name.size();) {
      const std::size_t end = std::min(section.name.find('.', start), section.name.size());
      place = place.at("properties").at(section.name.substr(start, end - start));
      start = end + 1;
    }
    EXPECT_EQ(place.at("additionalProperties"), false) << section.name;
    for (const Field& field : section.fields) {
      ASSERT_TRUE(place.at("properties").contains(field.spec.name)) << section.name << "." << field.spec.name;
      const json& property = place.at("properties").at(field.spec.name);
      EXPECT_THAT(property.at("description").get<std::string>(), ::testing::StartsWith(field.spec.doc));
      EXPECT_EQ(property.contains("default"), field.spec.default_value.has_value());
    }
    for (const MapField& map : section.maps) EXPECT_TRUE(place.at("properties").contains(map.key)) << map.key;
  }
}

TEST(JsonSchema, WritesBoundsChoicesAndCounts) {
  const json& data = exported().at("properties").at("data").at("properties");
  EXPECT_EQ(data.at("kind").at("enum"), json::array({"multilabel", "multiclass"}));
  EXPECT_EQ(data.at("folds").at("type"), "integer");
  EXPECT_EQ(data.at("folds").at("minimum"), 2);
  EXPECT_EQ(data.at("folds").at("default"), 5);
  EXPECT_EQ(data.at("classes").at("minItems"), 1);
  ASSERT_EQ(data.at("image_size").at("anyOf").size(), 2u) << "one number or a pair";
  EXPECT_EQ(data.at("image_size").at("anyOf").at(0).at("type"), "integer");
  EXPECT_EQ(data.at("image_size").at("anyOf").at(1).at("maxItems"), 2);
}

TEST(JsonSchema, GivesEachPluginItsOwnKeys) {
  const json& model = exported().at("properties").at("model");
  EXPECT_EQ(model.at("properties").at("plugin").at("enum"), json::array({"unet", "stack"}));
  const json unet = properties_of(model, "unet");
  EXPECT_EQ(unet.at("encoder").at("enum"), json::array({"small", "large"}));
  EXPECT_EQ(unet.at("depth").at("maximum"), 9);
  EXPECT_EQ(unet.at("levels").at("maximum"), 9);
  EXPECT_FALSE(unet.at("levels").contains("deprecated"));
  EXPECT_TRUE(unet.contains("weights") && unet.contains("strict")) << "the host's own keys";
  EXPECT_FALSE(properties_of(model, "stack").contains("depth"));
  const json range =
      properties_of(exported().at("definitions").at("augment_step").at("anyOf").at(0), "brighten").at("brightness");
  ASSERT_EQ(range.at("anyOf").size(), 2u) << "one number or a pair";
  EXPECT_EQ(range.at("anyOf").at(0), json::parse(R"({"type": "number", "minimum": -1.0, "maximum": 1.0})"));
  EXPECT_EQ(range.at("anyOf").at(1).at("type"), "array");
  EXPECT_EQ(range.at("anyOf").at(1).at("minItems"), 2);
  EXPECT_EQ(range.at("anyOf").at(1).at("maxItems"), 2);
  EXPECT_THAT(range.at("description").get<std::string>(), ::testing::EndsWith("; a number x means [-x, x]"));
}

TEST(JsonSchema, BoundsTheNumberThatStandsForARange) {
  using plugin::ParameterType;
  plugin::ParameterSpec whole = parameter("whole", ParameterType::kIntRange, std::vector<std::int64_t>{3, 7});
  whole.minimum = 3;
  plugin::ParameterSpec lopsided = parameter("lopsided", ParameterType::kFloatRange, std::vector<double>{0, 0});
  lopsided.minimum = -1;
  lopsided.maximum = 10;
  plugin::ParameterSpec free = parameter("free", ParameterType::kFloatRange, std::vector<double>{0, 0});
  free.list = true;
  const json bce = properties_of(json_schema({schema(plugin::Kind::kLoss, "bce", {whole, lopsided, free})})
                                     .at("properties")
                                     .at("loss")
                                     .at("items"),
                                 "bce");
  EXPECT_EQ(bce.at("whole").at("anyOf").at(0), json::parse(R"({"type": "integer", "minimum": 3.0})"));
  EXPECT_EQ(bce.at("lopsided").at("anyOf").at(0),
            json::parse(R"({"type": "number", "minimum": -1.0, "maximum": 1.0})"));
  EXPECT_EQ(bce.at("lopsided").at("anyOf").at(1).at("items").at("maximum"), 10);
  EXPECT_EQ(bce.at("free").at("items").at("anyOf").at(0), json::parse(R"({"type": "number"})"));
  EXPECT_EQ(bce.at("free").at("not"), json::parse(R"({"items": {"type": "number"}, "minItems": 2, "maxItems": 2})"));
}

TEST(JsonSchema, StaysASchemaWithoutAnyPlugin) {
  const json bare = json_schema({});
  EXPECT_EQ(bare.at("properties").at("model").at("type"), "object");
  EXPECT_FALSE(bare.at("properties").at("model").at("properties").at("plugin").contains("enum"));
}

TEST(JsonSchema, OnlyRefersToDefinitionsThatAreThere) {
  const std::function<void(const json&)> walk = [&](const json& node) {
    if (node.is_object() && node.contains("$ref")) {
      const std::string target = node.at("$ref");
      ASSERT_EQ(target.front(), '#');
      EXPECT_NO_THROW(exported().at(json::json_pointer(target.substr(1)))) << target;
    }
    if (node.is_structured())
      for (const json& child : node) walk(child);
  };
  walk(exported());
}

}  // namespace
}  // namespace osteon::recipe::test
