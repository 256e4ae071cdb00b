// SPDX-License-Identifier: Apache-2.0
#include "plugin/schema_json.hpp"

#include <gtest/gtest.h>

#include "unit/recipe/schemas.hpp"

namespace osteon::plugin {
namespace {

using nlohmann::json;

void expect_same(const ParameterSpec& a, const ParameterSpec& b) {
  EXPECT_EQ(a.name, b.name);
  EXPECT_EQ(a.type, b.type) << a.name;
  EXPECT_EQ(a.list, b.list) << a.name;
  EXPECT_EQ(a.doc, b.doc) << a.name;
  EXPECT_EQ(a.unit, b.unit) << a.name;
  EXPECT_EQ(a.default_value, b.default_value) << a.name;
  EXPECT_EQ(a.minimum, b.minimum) << a.name;
  EXPECT_EQ(a.maximum, b.maximum) << a.name;
  EXPECT_EQ(a.min_count, b.min_count) << a.name;
  EXPECT_EQ(a.max_count, b.max_count) << a.name;
  EXPECT_EQ(a.choices, b.choices) << a.name;
  EXPECT_EQ(a.aliases, b.aliases) << a.name;
}

TEST(SchemaJson, ComesBackAsItWasThroughText) {
  for (const ComponentSchema& schema : recipe::test::schemas()) {
    const ComponentSchema back = component_schema_from_json(json::parse(to_json(schema).dump()));
    EXPECT_EQ(back.name, schema.name);
    EXPECT_EQ(back.kind, schema.kind);
    EXPECT_EQ(back.version, schema.version);
    EXPECT_EQ(back.doc, schema.doc);
    EXPECT_EQ(back.reference, schema.reference);
    ASSERT_EQ(back.parameters.size(), schema.parameters.size());
    for (std::size_t i = 0; i < schema.parameters.size(); ++i) expect_same(schema.parameters[i], back.parameters[i]);
  }
}

TEST(SchemaJson, KeepsIntegersThatNoDoubleHolds) {
  const ParameterSpec spec = recipe::test::parameter(
      "seed", ParameterType::kInt, std::vector<std::int64_t>{std::numeric_limits<std::int64_t>::max()});
  const ComponentSchema schema = recipe::test::schema(Kind::kLoss, "x", {spec});
  expect_same(component_schema_from_json(json::parse(to_json(schema).dump())).parameters.at(0), spec);
}

TEST(SchemaJson, WritesScalarsPlainlyAndListsAndRangesAsArrays) {
  using recipe::test::parameter;
  EXPECT_EQ(to_json(parameter("a", ParameterType::kInt, std::vector<std::int64_t>{3})).at("default"), 3);
  EXPECT_EQ(to_json(parameter("a", ParameterType::kBool, std::vector<bool>{true})).at("default"), true);
  EXPECT_EQ(to_json(parameter("a", ParameterType::kFloatRange, std::vector<double>{-1, 1})).at("default"),
            json::array({-1, 1}));
  EXPECT_EQ(to_json(parameter("a", ParameterType::kFloatRange, std::vector<double>{-1, 1})).at("one_number"),
            "[-x, x]");
  EXPECT_TRUE(to_json(parameter("a", ParameterType::kInt, std::vector<std::int64_t>{3})).at("one_number").is_null());
  ParameterSpec ranges = parameter("a", ParameterType::kIntRange, std::vector<std::int64_t>{1, 2, 5, 9});
  ranges.list = true;
  EXPECT_EQ(to_json(ranges).at("default"), json::parse("[[1, 2], [5, 9]]"));
  const ComponentSchema of_ranges = recipe::test::schema(Kind::kLoss, "x", {ranges});
  expect_same(component_schema_from_json(json::parse(to_json(of_ranges).dump())).parameters.at(0), ranges);
  ParameterSpec list = parameter("a", ParameterType::kString, std::vector<std::string>{});
  list.list = true;
  EXPECT_EQ(to_json(list).at("default"), json::array());
}

TEST(SchemaJson, WritesNullForBoundsThatAreNotThereAndForRequiredParameters) {
  ParameterSpec spec = recipe::test::parameter("a", ParameterType::kFloat, std::vector<double>{1});
  spec.default_value.reset();
  const json written = to_json(spec);
  EXPECT_TRUE(written.at("min").is_null());
  EXPECT_TRUE(written.at("max").is_null());
  EXPECT_TRUE(written.at("max_count").is_null());
  EXPECT_TRUE(written.at("default").is_null());
  EXPECT_EQ(written.at("required"), true);
}

TEST(SchemaJson, RefusesWhatIsNoSchema) {
  const json good = to_json(recipe::test::schemas().front());
  EXPECT_THROW(component_schema_from_json(json::array()), json::exception);
  for (const char* key : {"name", "kind", "version", "doc", "reference", "parameters"}) {
    json broken = good;
    broken.erase(key);
    EXPECT_THROW(component_schema_from_json(broken), json::exception) << key;
  }
  json unknown = good;
  unknown["kind"] = "sampler";
  EXPECT_THROW(component_schema_from_json(unknown), json::exception);
  unknown = good;
  unknown["parameters"][0]["type"] = "colour";
  EXPECT_THROW(component_schema_from_json(unknown), json::exception);
}

}  // namespace
}  // namespace osteon::plugin
