// SPDX-License-Identifier: Apache-2.0
// Recipes with known mistakes, in tests/fixtures/broken_recipes. Each says in its first comment lines what is to be
// found:
//     # expect: LINE:COLUMN part of the message
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <regex>

#include <gtest/gtest.h>

#include "recipe/load_recipe.hpp"
#include "unit/recipe/schemas.hpp"

namespace osteon::recipe::test {
namespace {

const std::filesystem::path kFolder = std::filesystem::path(OSTEON_SOURCE_DIR) / "tests/fixtures/broken_recipes";

struct Expected {
  std::string place;  // "LINE:COLUMN"
  std::string part;
};

std::vector<Expected> expected_problems(const std::filesystem::path& file) {
  static const std::regex kExpect("# expect: ([0-9]+:[0-9]+) (.+)");
  std::ifstream stream(file);
  std::vector<Expected> list;
  std::smatch found;
  for (std::string line; std::getline(stream, line) && std::regex_match(line, found, kExpect);)
    list.push_back({found[1], found[2]});
  return list;
}

std::vector<std::filesystem::path> broken_recipes() {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder))
    if (entry.path().extension() == ".toml") files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

class BrokenRecipe : public ::testing::TestWithParam<std::filesystem::path> {};

TEST_P(BrokenRecipe, HasExactlyTheseProblems) {
  const std::vector<Expected> expected = expected_problems(GetParam());
  ASSERT_FALSE(expected.empty()) << "the fixture does not say what is wrong with it";
  try {
    load_recipe(GetParam(), options());
    FAIL() << "it was accepted";
  } catch (const RecipeErrors& errors) {
    const auto& problems = errors.problems();
    EXPECT_EQ(problems.size(), expected.size()) << errors.what();
    for (std::size_t i = 0; i < std::min(problems.size(), expected.size()); ++i) {
      EXPECT_EQ(problems[i].location.file, GetParam().string());
      EXPECT_EQ(std::to_string(problems[i].location.line) + ":" + std::to_string(problems[i].location.column),
                expected[i].place)
          << problems[i].message;
      EXPECT_NE(problems[i].message.find(expected[i].part), std::string::npos)
          << "found:    " << problems[i].message << "\nexpected: " << expected[i].part;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, BrokenRecipe, ::testing::ValuesIn(broken_recipes()), [](const auto& test) {
  std::string name = test.param.stem().string();
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

TEST(BrokenRecipes, AreManyEnough) { EXPECT_GE(broken_recipes().size(), 25u); }

}  // namespace
}  // namespace osteon::recipe::test
