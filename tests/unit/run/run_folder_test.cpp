// SPDX-License-Identifier: Apache-2.0
#include "run/run_folder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "support/program.hpp"

namespace osteon::run {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

class RunFolderRecipe : public ::testing::Test {
 protected:
  std::string write(const std::string& name, const std::string& text) {
    test::write_text(folder_ / name, text);
    return (folder_ / name).string();
  }
  std::vector<std::string> kept() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(run_.files())) names.push_back(entry.path().filename().string());
    return names;
  }
  std::string recipe_text() const { return test::slurp(run_.recipe()); }

  test::TemporaryFolder folder_;
  RunFolder run_{folder_ / "run"};
};

recipe::Recipe naming(std::vector<recipe::Origin> origins) {
  recipe::Recipe recipe;
  recipe.origins = std::move(origins);
  return recipe;
}

TEST_F(RunFolderRecipe, NamesCopiesOfFilesAndFolders) {
  const std::string one = write("a/net.pt", "one"), two = write("b/net.pt", "two");
  write("tables/x.csv", "1");
  const std::string tables = (folder_ / "tables").string();
  run_.write_recipe(naming({{"recipe", "1", "default", {}},
                            {"model.file", "\"" + one + "\"", "", {one}},
                            {"predict.post[0].files", "[\"" + two + "\", \"" + one + "\"]", "", {two, one}},
                            {"predict.post[0].tables", "\"" + tables + "/\"", "", {tables + "/"}},
                            {"predict.post[0].nothing", "\"\"", "", {""}}}));
  const std::string text = recipe_text();
  EXPECT_THAT(text, HasSubstr("file = \"files/net.pt\"\n"));
  EXPECT_THAT(text, HasSubstr("files = [\"files/2-net.pt\", \"files/net.pt\"]\n"));
  EXPECT_THAT(text, HasSubstr("tables = \"files/tables\"\n"));
  EXPECT_THAT(text, HasSubstr("nothing = \"\"\n"));
  EXPECT_THAT(kept(), UnorderedElementsAre("net.pt", "2-net.pt", "tables"));
  EXPECT_EQ(test::slurp(run_.files() / "net.pt"), "one");
  EXPECT_EQ(test::slurp(run_.files() / "2-net.pt"), "two");
  EXPECT_EQ(test::slurp(run_.files() / "tables/x.csv"), "1");
}

TEST_F(RunFolderRecipe, KeepsShardsBesideTheirIndex) {
  const std::string index =
      write("w/model.safetensors.index.json", R"({"weight_map":{"a":"m-1.safetensors","b":"m-2.bin"}})");
  write("w/m-1.safetensors", "one");
  write("w/m-2.bin", "two");
  const std::string other = write("other/model.safetensors.index", "a plain file");
  for (int twice = 0; twice < 2; ++twice)
    run_.write_recipe(naming(
        {{"model.file", "\"" + other + "\"", "", {other}}, {"model.weights", "\"" + index + "\"", "", {index}}}));
  const std::string folder = "2-model.safetensors.index";
  EXPECT_THAT(recipe_text(), HasSubstr("weights = \"files/" + folder + "/model.safetensors.index.json\"\n"));
  EXPECT_THAT(kept(), UnorderedElementsAre("model.safetensors.index", folder));
  EXPECT_EQ(test::slurp(run_.files() / folder / "model.safetensors.index.json"), test::slurp(index));
  EXPECT_EQ(test::slurp(run_.files() / folder / "m-1.safetensors"), "one");
  EXPECT_EQ(test::slurp(run_.files() / folder / "m-2.bin"), "two");
}

TEST_F(RunFolderRecipe, KeepsNoFolderWhereNoFileIsNamed) {
  write("run/files/old.pt", "old");
  run_.write_recipe(naming({{"recipe", "1", "default", {}}}));
  EXPECT_EQ(recipe_text(), "recipe = 1\n");
  EXPECT_FALSE(fs::exists(run_.files()));
}

// `osteon train RUN/recipe.toml --out RUN --overwrite`, with one file less and the others in each other's places.
TEST_F(RunFolderRecipe, CanBeWrittenOverTheFilesThatItNames) {
  const std::string one = write("run/files/net.pt", "one"), two = write("run/files/2-net.pt", "two");
  write("run/files/old.pt", "old");
  write("other/net.pt", "other");
  run_.write_recipe(naming({{"a", "\"" + two + "\"", "", {two}},
                            {"b", "\"" + one + "\"", "", {one}},
                            {"c", "\"x\"", "", {(folder_ / "other/net.pt").string()}}}));
  EXPECT_EQ(recipe_text(), "a = \"files/2-net.pt\"\nb = \"files/net.pt\"\nc = \"files/3-net.pt\"\n");
  EXPECT_EQ(test::slurp(run_.files() / "2-net.pt"), "two");
  EXPECT_EQ(test::slurp(run_.files() / "net.pt"), "one");
  EXPECT_EQ(test::slurp(run_.files() / "3-net.pt"), "other");
  EXPECT_THAT(kept(), UnorderedElementsAre("net.pt", "2-net.pt", "3-net.pt"));
}

TEST_F(RunFolderRecipe, MovesAFileToThePlaceOfAnother) {
  const std::string one = write("run/files/2-net.pt", "one");
  write("elsewhere/2-net.pt", "two");
  run_.write_recipe(naming({{"a", "\"\"", "", {(folder_ / "elsewhere/2-net.pt").string()}}, {"b", "\"\"", "", {one}}}));
  EXPECT_EQ(test::slurp(run_.files() / "2-net.pt"), "two");
  EXPECT_EQ(test::slurp(run_.files() / "2-2-net.pt"), "one");
}

TEST_F(RunFolderRecipe, SaysWhichFileCannotBeKept) {
  try {
    run_.write_recipe(naming({{"a", "\"\"", "", {"/no/such/file"}}}));
    FAIL() << "a file that is not there was kept";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::kResources);
    EXPECT_EQ(e.where(), "/no/such/file");
  }
}

}  // namespace
}  // namespace osteon::run
