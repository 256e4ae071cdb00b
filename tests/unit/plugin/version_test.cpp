// SPDX-License-Identifier: Apache-2.0
#include "plugin/version.hpp"

#include <gtest/gtest.h>

namespace osteon::plugin {
namespace {

// The order of semver.org, paragraph 11, and numbers of any length.
TEST(Versions, ComeInTheOrderOfSemanticVersioning) {
  const std::vector<std::string> rising = {
      "0.9.9", "1.0.0-alpha", "1.0.0-beta", "1.0.0", "1.2.0", "1.10.0", "2.0.0", "10.0.0", "99999999999999999999.0"};
  for (std::size_t i = 0; i < rising.size(); ++i)
    for (std::size_t j = 0; j < rising.size(); ++j)
      EXPECT_EQ(compare_versions(rising[i], rising[j]), (i > j) - (i < j)) << rising[i] << " " << rising[j];
  EXPECT_EQ(compare_versions("1.2", "1.2.0"), 0);
  EXPECT_EQ(compare_versions("1.2.0+debug", "1.2.0"), 0);
}

TEST(Versions, MeanAllThatBeginAsTheyDo) {
  EXPECT_TRUE(version_matches("", "1.2.3"));
  EXPECT_TRUE(version_matches("1", "1.2.3"));
  EXPECT_TRUE(version_matches("1.2", "1.2.3"));
  EXPECT_TRUE(version_matches("1.2.3", "1.2.3"));
  EXPECT_FALSE(version_matches("1.2", "1.20.0"));
  EXPECT_FALSE(version_matches("1.2.3.4", "1.2.3"));
  EXPECT_FALSE(version_matches("1.2", "1.2.0-rc1")) << "a pre-release is taken by its whole name";
  EXPECT_TRUE(version_matches("1.2.0-rc1", "1.2.0-rc1"));
}

TEST(Versions, AreChosenTheHighestThatIsMeant) {
  std::vector<ComponentSchema> schemas(4);
  const char* const versions[] = {"1.2.0", "1.10.1", "2.0.0", "3.0.0"};
  for (std::size_t i = 0; i < 4; ++i) {
    schemas[i].name = i < 3 ? "a" : "b";
    schemas[i].kind = Kind::kLoss;
    schemas[i].version = versions[i];
  }
  EXPECT_EQ(highest(schemas, Kind::kLoss, "a", ""), &schemas[2]);
  EXPECT_EQ(highest(schemas, Kind::kLoss, "a", "1"), &schemas[1]);
  EXPECT_EQ(highest(schemas, Kind::kLoss, "a", "1.2"), &schemas[0]);
  EXPECT_EQ(highest(schemas, Kind::kLoss, "a", "3"), nullptr);
  EXPECT_EQ(highest(schemas, Kind::kModel, "a", ""), nullptr);
}

}  // namespace
}  // namespace osteon::plugin
