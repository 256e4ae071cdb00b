// SPDX-License-Identifier: Apache-2.0
#include <osteon/sdk/params.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace osteon::sdk {
namespace {

struct Params {
  Range sigma{0.1, 2};
  IntRange blur{3, 7};
  std::vector<Range> bands{{0, 0.5}, {0.5, 1}};
  std::vector<IntRange> sizes;
  static void schema(Schema<Params>& s) {
    s.add("sigma", &Params::sigma, "width").between(0, 10);
    s.add("blur", &Params::blur, "size").between(0, 99);
    s.add("bands", &Params::bands, "bands").count(1, 3);
    s.add("sizes", &Params::sizes, "sizes");
  }
};

// The defaults, as a host would hand them over.
std::vector<osteon_value> defaults(const Schema<Params>& schema) {
  std::vector<osteon_value> values;
  for (const osteon_param_spec* spec : schema.specs()) values.push_back(*spec->default_value);
  return values;
}
Params read(const Schema<Params>& schema, const std::vector<osteon_value>& values) {
  std::vector<const osteon_value*> pointers;
  for (const osteon_value& value : values) pointers.push_back(&value);
  return schema.read(pointers.data());
}

TEST(Schema, PublishesRangesAndListsOfThem) {
  const Schema<Params> schema;
  const auto& specs = schema.specs();
  EXPECT_EQ(specs[0]->type, std::uint32_t{OSTEON_PARAM_FLOAT_RANGE});
  EXPECT_EQ(specs[1]->type, std::uint32_t{OSTEON_PARAM_INT_RANGE});
  EXPECT_EQ(specs[2]->type, std::uint32_t{OSTEON_PARAM_FLOAT_RANGE});
  EXPECT_EQ(specs[2]->flags, std::uint32_t{OSTEON_PARAM_LIST});
  EXPECT_EQ(specs[2]->default_value->count, 4u);
  EXPECT_EQ(specs[3]->default_value->count, 0u);
}

TEST(Schema, ReadsRangesAndListsOfThem) {
  const Schema<Params> schema;
  std::vector<osteon_value> values = defaults(schema);
  const std::int64_t sizes[] = {1, 2, 5, 9};
  values[3].count = 4;
  values[3].ints = sizes;
  const Params params = read(schema, values);
  EXPECT_EQ(params.sigma.high, 2);
  EXPECT_EQ(params.blur.low, 3);
  ASSERT_EQ(params.bands.size(), 2u);
  EXPECT_EQ(params.bands[1].low, 0.5);
  ASSERT_EQ(params.sizes.size(), 2u);
  EXPECT_EQ(params.sizes[1].high, 9);
}

TEST(Schema, RefusesValuesThatAreNone) {
  const Schema<Params> schema;
  const auto refused = [&](std::size_t which, const auto& spoil) {
    std::vector<osteon_value> values = defaults(schema);
    spoil(values[which]);
    try {
      read(schema, values);
    } catch (const InvalidArgument& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  static const std::int64_t kDown[] = {7, 3};
  static const double kFloatsDown[] = {0, 1, 3, 2};
  static const std::int64_t kTooLarge[] = {3, 100};
  EXPECT_THAT(refused(1, [](auto& v) { v.ints = kDown; }), ::testing::HasSubstr("blur: a range whose low end"));
  EXPECT_THAT(refused(2, [](auto& v) { v.floats = kFloatsDown; }),
              ::testing::HasSubstr("bands: a range whose low end"));
  EXPECT_THAT(refused(1, [](auto& v) { v.ints = kTooLarge; }), ::testing::HasSubstr("out of its bounds"));
  EXPECT_THAT(refused(1, [](auto& v) { v.count = 1; }), ::testing::HasSubstr("how many values"));
  EXPECT_THAT(refused(2, [](auto& v) { v.count = 3; }), ::testing::HasSubstr("how many values"));
  EXPECT_THAT(refused(2, [](auto& v) { v.count = 0; }), ::testing::HasSubstr("how many values"));
  EXPECT_THAT(refused(1, [](auto& v) { v.ints = nullptr; }), ::testing::HasSubstr("without values"));
  EXPECT_THAT(refused(1, [](auto& v) { v.struct_size = 8; }), ::testing::HasSubstr("is 8 bytes long"));
  EXPECT_THAT(refused(1, [](auto& v) { v.type = OSTEON_PARAM_INT; }), ::testing::HasSubstr("of another type"));
}

}  // namespace
}  // namespace osteon::sdk
