// SPDX-License-Identifier: Apache-2.0
// Recipes with anything in them: each is refused with places in its files, or resolved to one that resolves to itself.
#include "base/error.hpp"
#include "fuzz/mutation.hpp"
#include "recipe/load_recipe.hpp"
#include "unit/recipe/schemas.hpp"

namespace osteon::test {
namespace {

std::vector<std::string> values_of(const recipe::LoadedRecipe& loaded) {
  std::vector<std::string> values;
  for (const recipe::Origin& origin : loaded.recipe.origins) values.push_back(origin.key + " = " + origin.value);
  return values;
}

void try_recipe(const TemporaryFolder& folder, const std::string& text) {
  const std::filesystem::path file = folder / "recipe.toml", resolved = folder / "resolved.toml";
  write_text(file, text);
  try {
    recipe::allowed_libraries(file, {});
    const recipe::LoadedRecipe loaded = recipe::load_recipe(file, recipe::test::options());
    write_text(resolved, recipe::resolved_toml(loaded.recipe.origins));
    ASSERT_EQ(values_of(recipe::load_recipe(resolved, recipe::test::options())), values_of(loaded)) << text;
  } catch (const recipe::RecipeErrors& e) {
    ASSERT_FALSE(e.problems().empty());
    for (const recipe::RecipeProblem& problem : e.problems()) {
      ASSERT_NE(problem.message, "");
      ASSERT_NE(problem.location.file, resolved.string()) << "the resolved recipe is refused: " << e.what() << text;
    }
  }
}

TEST(LongRecipeFuzz, RefusesOrResolves) {
  const std::vector<std::string> tokens = {"[",
                                           "]",
                                           "{",
                                           "}",
                                           "[[",
                                           "]]",
                                           "\"",
                                           "'''",
                                           "\"\"\"",
                                           "=",
                                           "\n",
                                           ".",
                                           ",",
                                           "#",
                                           "nan",
                                           "-inf",
                                           "1e999",
                                           "0x7fffffffffffffff",
                                           "true",
                                           "${HOME}",
                                           "$$",
                                           "${",
                                           "${X:-1}",
                                           "1979-05-27",
                                           "[loss]\n",
                                           "[data]\n",
                                           "extends = \"recipe.toml\"\n",
                                           "\\u0000",
                                           "\\ud800",
                                           "\xff",
                                           "-1",
                                           "[model]\n",
                                           "a.b.c = 1\n",
                                           "= {a = ",
                                           "[[",
                                           "plugin = \"unet\"\n",
                                           "[[augment]]\ngroup = \"one_of\"\n",
                                           "[[augment.steps]]\n"};
  const std::vector<std::string> seeds = corpus("recipe");
  ASSERT_FALSE(seeds.empty());
  const TemporaryFolder folder;
  for (const std::string& seed : seeds) {
    write_text(folder / "recipe.toml", seed);
    EXPECT_NO_THROW(recipe::load_recipe(folder / "recipe.toml", recipe::test::options())) << seed;
  }
  fuzz(seeds, tokens, [&](const std::string& text) { try_recipe(folder, text); });
}

}  // namespace
}  // namespace osteon::test
