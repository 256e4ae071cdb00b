// SPDX-License-Identifier: Apache-2.0
#include "recipe/fields.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "recipe/value.hpp"
#include "support/program.hpp"

namespace osteon::recipe {
namespace {

using ::testing::HasSubstr;

const std::vector<plugin::Kind> kKinds = {plugin::Kind::kModel, plugin::Kind::kLoss, plugin::Kind::kAugmentation,
                                          plugin::Kind::kPostprocessor, plugin::Kind::kEnsembler};

// The part of the page under the heading "### `[name]`".
std::string part_of(const std::string& page, const std::string& name) {
  const std::size_t start = page.find("### `" + name + "`");
  return start == std::string::npos ? "" : page.substr(start, page.find("\n### ", start + 1) - start);
}

std::string default_text(const plugin::ParameterSpec& spec) {
  return spec.default_value ? "`" + toml_text(*spec.default_value, spec) + "`" : "required";
}

TEST(Fields, AreAllOnTheReferencePageWithTheirDefaults) {
  const std::string page = osteon::test::slurp(std::string(OSTEON_SOURCE_DIR) + "/docs/reference/recipe.md");
  ASSERT_FALSE(page.empty());
  for (const Section& section : host_sections()) {
    const std::string part = part_of(page, section.name.empty() ? "top level" : "[" + section.name + "]");
    ASSERT_FALSE(part.empty()) << "docs/reference/recipe.md has no part on [" << section.name << "]";
    for (const Field& field : section.fields)
      EXPECT_THAT(part, HasSubstr("| `" + field.spec.name + "` | " + default_text(field.spec) + " |")) << section.name;
    for (const MapField& map : section.maps)
      EXPECT_THAT(part, HasSubstr("| `" + map.key + "` | none |")) << section.name;
  }
  for (const plugin::Kind kind : kKinds)
    for (const Field& field : component_fields(kind))
      EXPECT_THAT(page, HasSubstr("| `" + field.spec.name + "` | " + default_text(field.spec) + " |"))
          << plugin::to_string(kind);
}

TEST(Fields, HaveDefaultsThatTheirOwnChecksAccept) {
  for (const Section& section : host_sections())
    for (const Field& field : section.fields) {
      if (!field.spec.default_value) continue;
      const std::string text = toml_text(*field.spec.default_value, field.spec);
      SCOPED_TRACE(section.name + "." + field.spec.name + " = " + text);
      EXPECT_FALSE(field.spec.doc.empty());
      if (!field.spec.choices.empty()) {
        EXPECT_THAT(field.spec.choices,
                    ::testing::Contains(std::get<std::vector<std::string>>(*field.spec.default_value).at(0)));
      }
      if (const auto* ints = std::get_if<std::vector<std::int64_t>>(&*field.spec.default_value))
        for (const std::int64_t value : *ints) {
          EXPECT_GE(static_cast<double>(value), field.spec.minimum);
          EXPECT_LE(static_cast<double>(value), field.spec.maximum);
        }
    }
}

TEST(Fields, OfIntegersNeverExceedTheTypeTheyAreKeptIn) {
  for (const Section& section : host_sections())
    for (const Field& field : section.fields) {
      if (field.spec.type != plugin::ParameterType::kInt || field.spec.name == "seed") continue;  // 64 bits
      EXPECT_LE(field.spec.maximum, std::numeric_limits<int>::max()) << section.name << "." << field.spec.name;
      EXPECT_GE(field.spec.minimum, std::numeric_limits<int>::min()) << section.name << "." << field.spec.name;
    }
}

}  // namespace
}  // namespace osteon::recipe
