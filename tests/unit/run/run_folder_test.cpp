// SPDX-License-Identifier: Apache-2.0
#include "run/run_folder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/error.hpp"
#include "run/folder_lock.hpp"
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

TEST_F(RunFolderRecipe, TellsBlankFoldersRunsAndOthersApart) {
  EXPECT_TRUE(run_.is_blank());
  EXPECT_FALSE(run_.is_run());
  write("run/.run.123456789.part.json", "{");  // of a process that was killed
  EXPECT_TRUE(run_.is_blank());
  write("run/notes.txt", "somebody's");
  EXPECT_FALSE(run_.is_blank());
  EXPECT_FALSE(run_.is_run());
  run_.write_info({{"status", "running"}});
  EXPECT_TRUE(run_.is_run());
  EXPECT_FALSE(run_.is_done());
  run_.write_info({{"status", "done"}});
  EXPECT_TRUE(run_.is_done());
}

TEST_F(RunFolderRecipe, TakesAShippedRunWithoutARecordForADoneOne) {
  write("run/recipe.toml", "recipe = 1\n");
  EXPECT_FALSE(run_.is_done());
  write("run/model.safetensors", "weights");
  EXPECT_TRUE(run_.is_done());
}

TEST_F(RunFolderRecipe, RemovesUnfinishedFilesOfProcessesThatAreGone) {
  const std::string own = std::to_string(::getpid()), gone = "999999999", parent = std::to_string(::getppid());
  for (const std::string& pid : {own, gone, parent}) write("run/.checkpoint." + pid + ".part.safetensors", "half");
  write("run/.note", "");
  write("run/x.part", "");
  run_.remove_leftovers();
  EXPECT_FALSE(fs::exists(run_.root() / (".checkpoint." + own + ".part.safetensors")));
  EXPECT_FALSE(fs::exists(run_.root() / (".checkpoint." + gone + ".part.safetensors")));
  EXPECT_TRUE(fs::exists(run_.root() / (".checkpoint." + parent + ".part.safetensors"))) << "it may be writing it";
  EXPECT_TRUE(fs::exists(run_.root() / ".note"));
  EXPECT_TRUE(fs::exists(run_.root() / "x.part"));
}

TEST_F(RunFolderRecipe, LeavesNothingOfAnEarlierRunWhereOneBegins) {
  for (const char* file : {"checkpoint.safetensors", "model.safetensors", "fitted.safetensors", "metrics.jsonl",
                           "evaluation.json", "evaluation.csv", "evaluation-test.csv"})
    write(std::string("run/") + file, "old");
  // It may begin with what it replaces.
  const std::string weights = (run_.root() / "model.safetensors").string();
  run_.begin(naming({{"model.weights", "\"\"", "", {weights}}}), {{"status", "running"}});
  for (const char* file : {"checkpoint.safetensors", "model.safetensors", "fitted.safetensors", "metrics.jsonl",
                           "evaluation.json", "evaluation.csv", "evaluation-test.csv"})
    EXPECT_FALSE(fs::exists(run_.root() / file)) << file;
  EXPECT_EQ(test::slurp(run_.files() / "model.safetensors"), "old");
  EXPECT_FALSE(run_.is_done());
}

TEST_F(RunFolderRecipe, IsOfOneProcessWhileThatTrainsInIt) {
  const auto refused = [&] {
    try {
      const FolderLock another(run_.root());
      return false;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ExitCode::kUsage);
      return true;
    }
  };
  {
    const FolderLock lock(run_.root());
    EXPECT_TRUE(refused());
  }
  EXPECT_FALSE(refused());
}

}  // namespace
}  // namespace osteon::run
