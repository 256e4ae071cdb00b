// SPDX-License-Identifier: Apache-2.0
#include "recipe/load_recipe.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/program.hpp"
#include "unit/recipe/schemas.hpp"

namespace osteon::recipe::test {
namespace {

using plugin::ParameterValue;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

class LoadRecipe : public ::testing::Test {
 protected:
  std::filesystem::path write(const std::string& name, const std::string& text) {
    osteon::test::write_text(folder_ / name, text);
    return folder_ / name;
  }
  LoadedRecipe load(const std::string& text, std::vector<std::string> overrides = {}) {
    return load_recipe(write("recipe.toml", text), options(std::move(overrides)));
  }
  /// "line:column message" of each problem, in order.
  std::vector<std::string> problems(const std::string& text, std::vector<std::string> overrides = {}) {
    try {
      load(text, std::move(overrides));
    } catch (const RecipeErrors& e) {
      EXPECT_EQ(e.code(), ExitCode::kUsage);
      std::vector<std::string> found;
      for (const RecipeProblem& p : e.problems())
        found.push_back(std::to_string(p.location.line) + ":" + std::to_string(p.location.column) + " " + p.message);
      return found;
    }
    return {};
  }
  osteon::test::TemporaryFolder folder_;
};

std::string origin_of(const LoadedRecipe& loaded, const std::string& key) {
  for (const Origin& origin : loaded.recipe.origins)
    if (origin.key == key) return origin.from;
  return "nowhere";
}

TEST_F(LoadRecipe, FillsDefaultsInAndSaysSo) {
  const LoadedRecipe loaded = load(kMinimal);
  const Recipe& r = loaded.recipe;
  EXPECT_EQ(r.data.kind, "multilabel");
  EXPECT_EQ(r.data.folds, 5);
  EXPECT_EQ(r.train.optimizer.lr, 1e-4);
  EXPECT_EQ(r.train.epochs, 3);
  ASSERT_TRUE(r.model);
  EXPECT_EQ(r.model->component.plugin, "unet");
  EXPECT_THAT(r.model->component.parameters,
              ElementsAre(ParameterValue(std::vector<std::string>{"small"}),
                          ParameterValue(std::vector<std::int64_t>{5}), ParameterValue(std::vector<bool>{true})));
  EXPECT_EQ(r.loss.at(0).weight, 1.0);
  EXPECT_EQ(origin_of(loaded, "data.folds"), "default");
  EXPECT_EQ(origin_of(loaded, "model.depth"), "default of unet");
  EXPECT_EQ(origin_of(loaded, "train.epochs"), (folder_ / "recipe.toml").string() + ":12:10");
  EXPECT_EQ(origin_of(loaded, "train.epochs"), origin_of(load(kMinimal), "train.epochs"));
  EXPECT_THAT(loaded.warnings, IsEmpty());
}

TEST_F(LoadRecipe, MakesASquareOfOneNumberAndPathsAbsoluteFromTheRecipesFolder) {
  const Recipe r = load(kMinimal).recipe;
  EXPECT_THAT(r.data.image_size, ElementsAre(64, 64));
  EXPECT_EQ(r.data.root, folder_ / "images");
  EXPECT_THAT(load(kMinimal, {"data.image_size=[32, 48]"}).recipe.data.image_size, ElementsAre(32, 48));
}

TEST_F(LoadRecipe, ReadsWhatAnImageWeighsWhatIsAbsentAndWhatALossIsFor) {
  const Recipe plain = load(kMinimal).recipe;
  EXPECT_EQ(plain.data.absent, "error");
  EXPECT_TRUE(plain.data.weights.empty());
  EXPECT_EQ(plain.train.optimizer.decay, "all");
  EXPECT_EQ(plain.loss.at(0).output, "");
  const std::filesystem::path weights = write("weights.csv", "image,weight\n");
  const Recipe r = load(kMinimal, {"data.absent=unknown", "data.weights=" + weights.string(), "loss[0].output=presence",
                                   "loss[0].weight=0.5", "train.optimizer.decay=weights"})
                       .recipe;
  EXPECT_EQ(r.data.absent, "unknown");
  EXPECT_EQ(r.data.weights, weights);
  EXPECT_EQ(r.train.optimizer.decay, "weights");
  EXPECT_EQ(r.loss.at(0).output, "presence");
  EXPECT_EQ(r.loss.at(0).weight, 0.5);
  // A run keeps a copy of the file.
  const auto origin =
      std::find_if(r.origins.begin(), r.origins.end(), [](const Origin& each) { return each.key == "data.weights"; });
  ASSERT_NE(origin, r.origins.end());
  EXPECT_THAT(origin->files, ElementsAre(weights.string()));
}

TEST_F(LoadRecipe, ReadsMirroredPairs) {
  EXPECT_THAT(load(kData + "mirrored = [[\"left\", \"right\"]]\n" + kRest).recipe.data.mirrored, ElementsAre(1, 0, 2));
  EXPECT_THAT(load(kMinimal).recipe.data.mirrored, IsEmpty());
}

TEST_F(LoadRecipe, RefusesMirroredPairsThatShareAClass) {
  EXPECT_THAT(problems(kData + "mirrored = [[\"left\", \"right\"], [\"left\", \"spine\"]]\n" + kRest),
              ElementsAre(HasSubstr("7:33 the class 'left' is in two pairs")));
  EXPECT_THAT(problems(kData + "mirrored = [[\"left\", \"left\"]]\n" + kRest),
              ElementsAre(HasSubstr("7:22 the class 'left' is in two pairs")));
}

TEST_F(LoadRecipe, ReadsNestedAugmentations) {
  const Recipe r = load(kMinimal +
                        "[[augment]]\nplugin = \"flip\"\np = 0.5\n"
                        "[[augment]]\ngroup = \"some_of\"\ncount = 2\n"
                        "[[augment.steps]]\nplugin = \"rotate\"\np = 3\n"
                        "[[augment.steps]]\ngroup = \"sequence\"\n"
                        "[[augment.steps.steps]]\nplugin = \"flip\"\n"
                        "[[augment.steps]]\nplugin = \"flip\"\n")
                       .recipe;
  ASSERT_EQ(r.augment.size(), 2u);
  EXPECT_EQ(r.augment[0].p, 0.5);
  EXPECT_EQ(r.augment[1].group, "some_of");
  EXPECT_EQ(r.augment[1].count, 2);
  ASSERT_EQ(r.augment[1].steps.size(), 3u);
  EXPECT_EQ(r.augment[1].steps[0].p, 3);
  EXPECT_EQ(r.augment[1].steps[1].steps.at(0).component.plugin, "flip");
}

TEST_F(LoadRecipe, AWeightOfAChoiceMayExceedOneButAProbabilityMayNot) {
  const std::string step = "[[augment.steps]]\nplugin = \"flip\"\np = 2\n";
  EXPECT_THAT(problems(kMinimal + "[[augment]]\ngroup = \"one_of\"\n" + step), IsEmpty());
  EXPECT_THAT(problems(kMinimal + "[[augment]]\ngroup = \"sequence\"\n" + step),
              ElementsAre(HasSubstr("a probability is at most 1")));
  EXPECT_THAT(problems(kMinimal + "[[augment]]\nplugin = \"flip\"\np = 2\n"),
              ElementsAre(HasSubstr("a probability is at most 1")));
  EXPECT_THAT(problems(kMinimal + "[[augment]]\ngroup = \"sequence\"\np = 2\n[[augment.steps]]\nplugin = \"flip\"\n"),
              ElementsAre(HasSubstr("a probability is at most 1")));
}

TEST_F(LoadRecipe, TakesTheOtherNamesOfAParameterWithoutAWord) {
  const LoadedRecipe loaded = load(kMinimal, {"model.levels=3"});
  EXPECT_EQ(loaded.recipe.model->component.parameters.at(1), ParameterValue(std::vector<std::int64_t>{3}));
  EXPECT_THAT(loaded.warnings, IsEmpty());
  EXPECT_EQ(origin_of(loaded, "model.depth"), "--set model.levels=3");
  EXPECT_THAT(problems(kMinimal, {"model.levels=30"}), ElementsAre(HasSubstr("'model.levels' is 30, expected")));
}

TEST_F(LoadRecipe, RefusesAParameterUnderTwoOfItsNamesWithBothPlaces) {
  const auto refusal = [&](const std::string& keys, std::vector<std::string> overrides = {}) {
    try {
      load(kData + "[model]\nplugin = \"unet\"\n" + keys + "[[loss]]\nplugin = \"bce\"\n[train]\nepochs = 3\n",
           std::move(overrides));
    } catch (const RecipeErrors& e) {
      EXPECT_EQ(e.problems().size(), 1u) << e.what();
      return to_string(e.problems().at(0).location) + ": " + e.problems().at(0).message + "; " +
             e.problems().at(0).suggestion;
    }
    return std::string("nothing was thrown");
  };
  const std::string file = (folder_ / "recipe.toml").string();
  EXPECT_EQ(refusal("depth = 3\nlevels = 3\n"), file +
                                                    ":10:1: 'levels' is another name of 'depth', and both are given; "
                                                    "'depth' is given at " +
                                                    file + ":9:1");
  EXPECT_THAT(refusal("levels = 3\n", {"model.stages=4"}),
              AllOf(HasSubstr("'stages' is another name of 'levels', and both are given"),
                    HasSubstr("'levels' is given at " + file + ":9:1")));
}

TEST_F(LoadRecipe, RefusesNumbersThatDoNotFit) {
  for (const std::string key : {"train.validate_every", "train.checkpoint_every", "train.batch_size", "data.prefetch"})
    EXPECT_THAT(problems(kMinimal, {key + "=4294967297"}), ElementsAre(HasSubstr("'" + key + "' is"))) << key;
  EXPECT_THAT(problems(kMinimal +
                       "[[augment]]\ngroup = \"some_of\"\ncount = 4294967297\n[[augment.steps]]\nplugin = \"flip\"\n"),
              ElementsAre(StartsWith("15:9 ")));
  EXPECT_THAT(problems(kMinimal, {"train.optimizer.lr=inf"}), ElementsAre(HasSubstr("not a finite number")));
  EXPECT_THAT(problems(kMinimal, {"train.optimizer.lr=nan"}), ElementsAre(HasSubstr("not a finite number")));
}

// --- extends -------------------------------------------------------------------------------------------------------

TEST_F(LoadRecipe, MergesTablesKeyByKeyWithTheExtendingFileOnTop) {
  write("base.toml", kMinimal + "[train.optimizer]\nlr = 0.5\nweight_decay = 0.25\n");
  const LoadedRecipe loaded =
      load("recipe = 1\nextends = \"base.toml\"\n[train]\nepochs = 7\n[train.optimizer]\nlr = 0.125\n");
  EXPECT_EQ(loaded.recipe.train.epochs, 7);
  EXPECT_EQ(loaded.recipe.train.optimizer.lr, 0.125);
  EXPECT_EQ(loaded.recipe.train.optimizer.weight_decay, 0.25);
  EXPECT_EQ(origin_of(loaded, "train.optimizer.lr"), (folder_ / "recipe.toml").string() + ":6:6");
  EXPECT_EQ(origin_of(loaded, "train.optimizer.weight_decay"), (folder_ / "base.toml").string() + ":15:16");
}

TEST_F(LoadRecipe, LaterExtendedFilesGoOverEarlierOnes) {
  write("base.toml", kMinimal + "batch_size = 2\n");
  write("more.toml", "recipe = 1\n[train]\nbatch_size = 4\n");
  EXPECT_EQ(load("recipe = 1\nextends = [\"base.toml\", \"more.toml\"]\n").recipe.train.batch_size, 4);
  EXPECT_EQ(load("recipe = 1\nextends = [\"more.toml\", \"base.toml\"]\n").recipe.train.batch_size, 2);
}

TEST_F(LoadRecipe, ReplacesArraysAndArraysOfTables) {
  write("base.toml", kMinimal + "[[augment]]\nplugin = \"flip\"\n[[augment]]\nplugin = \"rotate\"\n");
  const Recipe r = load(
                       "recipe = 1\nextends = \"base.toml\"\n"
                       "[data]\nclasses = [\"one\"]\n[[augment]]\nplugin = \"brighten\"\n")
                       .recipe;
  EXPECT_THAT(r.data.classes, ElementsAre("one"));
  ASSERT_EQ(r.augment.size(), 1u);
  EXPECT_EQ(r.augment[0].component.plugin, "brighten");
}

TEST_F(LoadRecipe, AnotherPluginReplacesTheWholeTable) {
  write("base.toml", kMinimal);
  const std::string extends = "recipe = 1\nextends = \"base.toml\"\n[model]\n";
  EXPECT_EQ(load(extends + "plugin = \"stack\"\nwidth = 8\n").recipe.model->component.plugin, "stack");
  write("base.toml",
        kData + "[model]\nplugin = \"unet\"\ndepth = 3\n[[loss]]\nplugin = \"bce\"\n[train]\nepochs = 3\n");
  // The same plugin: its parameters are merged.
  EXPECT_EQ(load(extends + "plugin = \"unet\"\nencoder = \"large\"\n").recipe.model->component.parameters.at(1),
            ParameterValue(std::vector<std::int64_t>{3}));
  // Another one: `depth` is not its business.
  EXPECT_THAT(problems(extends + "plugin = \"stack\"\nwidth = 8\n"), IsEmpty());
}

TEST_F(LoadRecipe, KeepsTheNameOfTheExtendingRecipeOnly) {
  write("base.toml", "name = \"base\"\ndescription = \"of the base\"\n" + kMinimal);
  EXPECT_EQ(load("recipe = 1\nextends = \"base.toml\"\n").recipe.name, "");
  EXPECT_EQ(load("recipe = 1\nextends = \"base.toml\"\nname = \"mine\"\n").recipe.name, "mine");
}

TEST_F(LoadRecipe, PathsAreRelativeToTheFileThatWroteThem) {
  write("parts/base.toml", kMinimal);
  write("parts/leaf.toml", "recipe = 1\nextends = \"base.toml\"\n");
  EXPECT_EQ(load("recipe = 1\nextends = \"parts/leaf.toml\"\n").recipe.data.root, folder_ / "parts" / "images");
}

TEST_F(LoadRecipe, RefusesCircles) {
  write("a.toml", "recipe = 1\nextends = \"b.toml\"\n");
  write("b.toml", "recipe = 1\nextends = \"a.toml\"\n");
  try {
    load_recipe(folder_ / "a.toml", options());
    FAIL() << "a circle was accepted";
  } catch (const RecipeErrors& e) {
    const RecipeProblem* circle = nullptr;
    for (const RecipeProblem& p : e.problems())
      if (p.key == "extends") circle = &p;
    ASSERT_NE(circle, nullptr);
    EXPECT_THAT(circle->message, HasSubstr("a.toml -> b.toml -> a.toml"));
    EXPECT_EQ(circle->location.file, (folder_ / "b.toml").string());
    EXPECT_EQ(circle->location.line, 2u);
  }
}

// What the missing file would have said is not held against the recipe.
TEST_F(LoadRecipe, SaysNothingButThatAFileToExtendIsMissing) {
  const std::vector<std::string> each = {R"("gone.toml")", R"(["gone.toml"])", '"' + std::string(5000, 'a') + '"', "3"};
  for (const std::string& extends : each)
    EXPECT_THAT(problems("recipe = 1\nextends = " + extends + "\n[train]\nepoch = 3\n"),
                ElementsAre(HasSubstr(extends == "3" ? "extends takes paths" : "to extend")))
        << extends;
  write("base.toml", "extends = \"gone.toml\"\n");
  EXPECT_THAT(problems("recipe = 1\nextends = \"base.toml\"\n"), ElementsAre(StartsWith("1:11 there is no recipe")));
}

TEST_F(LoadRecipe, SaysOnceThatAKeyIsMisspelt) {
  const auto replaced = [](std::string text, const std::string& from, const std::string& to) {
    return text.replace(text.find(from), from.size(), to);
  };
  EXPECT_THAT(problems(replaced(kMinimal, "classes", "clases")), ElementsAre("5:1 unknown key 'clases' in [data]"));
  EXPECT_THAT(problems(replaced(kMinimal, "[data]", "[dta]")), ElementsAre("2:2 unknown key 'dta'"));
  EXPECT_THAT(problems(replaced(kMinimal, "[model]", "[modle]")), ElementsAre("7:2 unknown key 'modle'"));
  EXPECT_THAT(problems(replaced(kMinimal, "[[loss]]", "[[losses]]")), ElementsAre("9:3 unknown key 'losses'"));
  EXPECT_THAT(problems(replaced(kMinimal, "plugin = \"unet\"", "plugn = \"unet\"")),
              ElementsAre("8:1 unknown key 'plugn' in [model]"));
  EXPECT_THAT(problems(replaced(kMinimal, "plugin = \"unet\"", "plugin = \"stack\"\nwidht = 3")),
              ElementsAre("9:1 unknown key 'widht' in [model]"));
}

TEST_F(LoadRecipe, HoldsNothingAgainstValuesThatAreRefused) {
  const auto with = [](const std::string& data, const std::string& rest = "") {
    return "recipe = 1\n[data]\nroot = \"images\"\nimage_size = 64\n" + data + kRest + rest;
  };
  const std::string layout = "layout = \"boostcamp\"\n", classes = "classes = [\"left\"]\n";
  EXPECT_THAT(problems(with(layout + "classes = 3\nmirrored = [[\"left\", \"right\"]]\n",
                            "[predict.thresholds]\nleft = 0.3\n")),
              ElementsAre(HasSubstr("'data.classes' is an integer")));
  EXPECT_THAT(problems(with("layout = \"index_png\"\nkind = \"multiklass\"\n" + classes)),
              ElementsAre(HasSubstr("'data.kind' is 'multiklass'")));
  EXPECT_THAT(problems(with(layout + classes + "folds = \"nine\"\nfold = 7\n")),
              ElementsAre(HasSubstr("'data.folds' is a string")));
  EXPECT_THAT(problems(with(layout + classes + "channels = \"grey\"\nmean = [0.5]\n")),
              ElementsAre(HasSubstr("'data.channels' is a string")));
}

TEST_F(LoadRecipe, LooksForNoFileWhoseNameIsNotKnown) {
  ::unsetenv("OSTEON_TEST_UNSET");
  const std::string path = "\"${OSTEON_TEST_UNSET}/a\"\n";
  const auto unset = HasSubstr("the environment variable OSTEON_TEST_UNSET is not set");
  EXPECT_THAT(problems("recipe = 1\nextends = " + path), ElementsAre(unset));
  EXPECT_THAT(problems("recipe = 1\nextends = [" + path + "]"), ElementsAre(unset));
  EXPECT_THAT(problems(kMinimal + "[[predict.post]]\nplugin = \"refine\"\ntable = " + path + "inner = " + path),
              ElementsAre(unset, unset));
  EXPECT_THAT(problems(kData + "weights = " + path + "[model]\nplugin = \"unet\"\nweights = " + path +
                       "[[loss]]\nplugin = \"bce\"\n[train]\nepochs = 3\n"),
              ElementsAre(unset, unset));
  EXPECT_THAT(problems(kData + "[ensemble]\nplugin = \"vote\"\n[[ensemble.member]]\nrun = " + path),
              ElementsAre(unset));
}

TEST_F(LoadRecipe, PointsAtTheKindThatSomebodyWroteAndNamesTheLayoutsPlace) {
  write("base.toml", kMinimal);
  const std::string place = (folder_ / "base.toml").string() + ":3:10";
  try {
    load("recipe = 1\nextends = \"base.toml\"\n[data]\nkind = \"multiclass\"\n");
    FAIL() << "it was accepted";
  } catch (const RecipeErrors& e) {
    ASSERT_EQ(e.problems().size(), 1u) << e.what();
    EXPECT_EQ(to_string(e.problems()[0].location), (folder_ / "recipe.toml").string() + ":4:8");
    EXPECT_THAT(e.problems()[0].message, HasSubstr("'data.layout' is \"boostcamp\" in " + place));
  }
}

TEST_F(LoadRecipe, RefusesPathsThatNoFileSystemTakes) {
  const std::string long_name(5000, 'a');
  EXPECT_THAT(problems(kMinimal + "[[predict.post]]\nplugin = \"refine\"\ninner = \"" + long_name + "\"\ntable = \"" +
                       long_name + "\"\n"),
              ElementsAre(HasSubstr("there is no run or recipe"), HasSubstr("there is no file")));
  EXPECT_THROW(load_recipe(long_name, options()), RecipeErrors);
  EXPECT_EQ(allowed_libraries(long_name, {}), std::nullopt);
}

TEST_F(LoadRecipe, ExtendingOneFileTwiceIsNoCircle) {
  write("base.toml", kMinimal);
  write("left.toml", "recipe = 1\nextends = \"base.toml\"\n");
  write("right.toml", "recipe = 1\nextends = \"base.toml\"\n[train]\nbatch_size = 9\n");
  EXPECT_EQ(load("recipe = 1\nextends = [\"left.toml\", \"right.toml\"]\n").recipe.train.batch_size, 9);
}

TEST_F(LoadRecipe, NamesFilesThatAreNotThere) {
  EXPECT_THAT(problems("extends = \"nothing.toml\"\n" + kMinimal),
              ElementsAre(AllOf(StartsWith("1:11 "), HasSubstr("nothing.toml"))));
  EXPECT_THROW(load_recipe(folder_ / "absent.toml", options()), RecipeErrors);
  EXPECT_THROW(load_recipe(folder_.path(), options()), RecipeErrors);
}

TEST_F(LoadRecipe, AFileThatIsNoTomlIsOneProblem) {
  EXPECT_THAT(problems("recipe = 1\n[data\n"), ElementsAre(StartsWith("2:6 this is not TOML: ")));
}

// --- environment ---------------------------------------------------------------------------------------------------

TEST_F(LoadRecipe, PutsEnvironmentVariablesIn) {
  ::setenv("OSTEON_TEST_NAME", "wrist", 1);
  ::setenv("OSTEON_TEST_EMPTY", "", 1);
  ::unsetenv("OSTEON_TEST_UNSET");
  const std::map<std::string, std::string> cases = {{"${OSTEON_TEST_NAME}", "wrist"},
                                                    {"a ${OSTEON_TEST_NAME} b ${OSTEON_TEST_NAME}", "a wrist b wrist"},
                                                    {"${OSTEON_TEST_UNSET:-left}", "left"},
                                                    {"${OSTEON_TEST_EMPTY:-left}", "left"},
                                                    {"${OSTEON_TEST_NAME:-left}", "wrist"},
                                                    {"${OSTEON_TEST_UNSET:-}", ""},
                                                    {"$${OSTEON_TEST_NAME}", "${OSTEON_TEST_NAME}"},
                                                    {"5$ $$", "5$ $"},
                                                    {"$", "$"}};
  for (const auto& [text, expected] : cases)
    EXPECT_EQ(load("name = \"" + text + "\"\n" + kMinimal).recipe.name, expected) << text;
}

TEST_F(LoadRecipe, RefusesVariablesThatAreNotSet) {
  ::unsetenv("OSTEON_TEST_UNSET");
  EXPECT_THAT(problems("name = \"${OSTEON_TEST_UNSET}\"\n" + kMinimal),
              ElementsAre("1:8 the environment variable OSTEON_TEST_UNSET is not set"));
  EXPECT_THAT(problems("name = \"${OSTEON_TEST_UNSET\"\n" + kMinimal), ElementsAre(StartsWith("1:8 '${' without")));
}

TEST_F(LoadRecipe, WhatAVariableHoldsIsNotExpandedAgain) {
  ::setenv("OSTEON_TEST_NAME", "${HOME}", 1);
  const LoadedRecipe loaded = load("name = \"${OSTEON_TEST_NAME}\"\n" + kMinimal);
  EXPECT_EQ(loaded.recipe.name, "${HOME}");
  EXPECT_EQ(load(resolved_toml(loaded.recipe.origins)).recipe.name, "${HOME}");
}

// --- overrides -----------------------------------------------------------------------------------------------------

TEST_F(LoadRecipe, OverridesGoOverAllFilesInTheirOrder) {
  const LoadedRecipe loaded = load(kMinimal, {"train.epochs=5", "train.epochs=6", "train.optimizer.lr=1e-2"});
  EXPECT_EQ(loaded.recipe.train.epochs, 6);
  EXPECT_EQ(loaded.recipe.train.optimizer.lr, 0.01);
  EXPECT_EQ(origin_of(loaded, "train.epochs"), "--set train.epochs=6");
}

TEST_F(LoadRecipe, OverridesReachElements) {
  const std::string augment = "[[augment]]\nplugin = \"flip\"\n[[augment]]\nplugin = \"rotate\"\nlimit = 10\n";
  const Recipe r = load(kMinimal + augment, {"augment[0].p=0.25", "augment[1].limit=20", "loss[0].weight=3"}).recipe;
  EXPECT_EQ(r.augment[0].p, 0.25);
  EXPECT_EQ(r.augment[1].component.parameters.at(0), ParameterValue(std::vector<double>{20}));
  EXPECT_EQ(r.loss[0].weight, 3);
  EXPECT_THAT(problems(kMinimal + augment, {"augment[2].p=0.25"}),
              ElementsAre(HasSubstr("no element 2 of 'augment', which has 2")));
}

TEST_F(LoadRecipe, AnOverrideOfAnElementThatIsNotThereSaysWhatWouldWork) {
  try {
    load(kMinimal, {"predict.post[0].label=x"});
    FAIL();
  } catch (const RecipeErrors& e) {
    EXPECT_THAT(e.problems().at(0).message, HasSubstr("no element 0 of 'post', which has 0"));
    EXPECT_THAT(e.problems().at(0).suggestion, HasSubstr("--set 'predict.post=[{plugin = \"NAME\"}]'"));
    EXPECT_THAT(e.problems().at(0).suggestion, HasSubstr("--post FILE"));
  }
  EXPECT_EQ(load(kMinimal, {"predict.post=[{plugin = \"tta\"}]", "predict.post[0].label=x"}).recipe.predict.post.size(),
            1u);
}

TEST_F(LoadRecipe, TakesThePostProcessingOfAnotherFileAndNothingElse) {
  const std::string own = kMinimal +
                          "[predict]\nthreshold = 0.3\nbatch_size = 2\nthresholds = {left = 0.2}\n"
                          "[[predict.post]]\nplugin = \"tta\"\nlabel = \"own\"\n";
  const auto with = [&](const std::string& post, std::vector<std::string> overrides = {}) {
    LoadOptions given = options(std::move(overrides));
    given.post = write("post.toml", post);
    return load_recipe(write("recipe.toml", own), given).recipe;
  };
  const Recipe swapped = with(
      "name = \"other\"\n[train]\nepochs = 9\n[predict]\nthreshold = 0.6\nbatch_size = 8\n"
      "[[predict.post]]\nplugin = \"tta\"\nlabel = \"first\"\n"
      "[[predict.post]]\nplugin = \"tta\"\nlabel = \"second\"\n",
      {"predict.post[1].label=set"});
  ASSERT_EQ(swapped.predict.post.size(), 2u);
  EXPECT_EQ(swapped.predict.post[0].parameters.at(1), ParameterValue(std::vector<std::string>{"first"}));
  EXPECT_EQ(swapped.predict.post[1].parameters.at(1), ParameterValue(std::vector<std::string>{"set"}));
  EXPECT_EQ(swapped.predict.threshold, 0.6);
  EXPECT_TRUE(swapped.predict.thresholds.empty());
  EXPECT_EQ(swapped.predict.batch_size, 2);
  EXPECT_EQ(swapped.train.epochs, 3);
  EXPECT_TRUE(with("[predict]\nthreshold = 0.6\n").predict.post.empty());

  for (const char* nothing : {"name = \"x\"\n", "[predict]\nbatch_size = 2\n"}) {
    try {
      with(nothing);
      FAIL() << nothing;
    } catch (const RecipeErrors& e) {
      ASSERT_EQ(e.problems().size(), 1u);
      EXPECT_THAT(e.problems()[0].message, HasSubstr("says nothing of post-processing"));
    }
  }
  LoadOptions missing = options();
  missing.post = folder_ / "none.toml";
  EXPECT_THROW(load_recipe(write("recipe.toml", own), missing), RecipeErrors);
}

TEST_F(LoadRecipe, OverridesTakeBareWordsAndToml) {
  EXPECT_EQ(load(kMinimal, {"name=wrist"}).recipe.name, "wrist");
  EXPECT_EQ(load(kMinimal, {"name=\"wr ist\""}).recipe.name, "wr ist");
  EXPECT_EQ(load(kMinimal, {"name=a=b"}).recipe.name, "a=b");
  EXPECT_EQ(load(kMinimal, {"name=2024-05-17"}).recipe.name, "2024-05-17");
  EXPECT_EQ(load(kMinimal, {"name="}).recipe.name, "");
  EXPECT_EQ(load(kMinimal, {"data.root=/somewhere/else"}).recipe.data.root, "/somewhere/else");
  EXPECT_EQ(load(kMinimal, {"data.root=here"}).recipe.data.root, std::filesystem::current_path() / "here");
  EXPECT_THAT(load(kMinimal, {"data.mean=[0.5, 0.5, 0.5]"}).recipe.data.mean, ElementsAre(0.5, 0.5, 0.5));
}

TEST_F(LoadRecipe, OverridingThePluginForgetsTheOldOnesParameters) {
  const std::string text =
      kData + "[model]\nplugin = \"unet\"\ndepth = 3\nstrict = true\n[[loss]]\nplugin = \"bce\"\n[train]\nepochs = 3\n";
  const Recipe r = load(text, {"model.plugin=stack", "model.width=4"}).recipe;
  EXPECT_EQ(r.model->component.plugin, "stack");
  EXPECT_TRUE(r.model->strict);
}

TEST_F(LoadRecipe, OverridesGoIntoTablesThatAreNotThereYet) {
  EXPECT_EQ(load(kMinimal, {"train.head_weights.aux=0.5"}).recipe.train.head_weights.at("aux"), 0.5);
}

TEST_F(LoadRecipe, RefusesOverridesThatAreNone) {
  for (const std::string text :
       {"train.epochs", "=5", "a..b=1", "augment[x].p=1", "augment[0=1", "train.=1", ".a=1", "augment[0]p=1"})
    EXPECT_THAT(problems(kMinimal, {text}), ElementsAre(HasSubstr("--set takes KEY=VALUE"))) << text;
  EXPECT_THAT(problems(kMinimal, {"train.epochs.more=5"}), ElementsAre(HasSubstr("asked of an integer")));
  EXPECT_THAT(problems(kMinimal, {"train.epoch=5"}), ElementsAre(HasSubstr("unknown key 'epoch' in [train]")));
}

// --- problems ------------------------------------------------------------------------------------------------------

TEST_F(LoadRecipe, ReportsEverythingAtOnceInTheOrderOfTheFile) {
  EXPECT_THAT(problems("recipe = 2\n[data]\nlayout = \"boostcam\"\nimage_size = 4\nfolds = 1.5\nnothing = "
                       "1\n[model]\nplugin = \"unit\"\n"
                       "[[loss]]\nplugin = \"rotate\"\n[train]\nepochs = -1\n"),
              ElementsAre(StartsWith("1:10 this program reads recipes of format 1"),
                          StartsWith("2:1 'data.classes' is missing"), StartsWith("2:1 'data.root' is missing"),
                          StartsWith("3:10 'data.layout' is 'boostcam'"), StartsWith("4:14 'data.image_size' is 4"),
                          StartsWith("5:9 'data.folds' is a float"), StartsWith("6:1 unknown key 'nothing' in [data]"),
                          StartsWith("8:10 there is no model plugin 'unit'"), StartsWith("10:10 'rotate' is"),
                          StartsWith("12:10 'train.epochs' is -1")));
}

TEST_F(LoadRecipe, ShowsTheLineAndACaretAndAGuess) {
  try {
    load(kData + kRest + "optimiser = 1\n");
    FAIL() << "an unknown key was accepted";
  } catch (const RecipeErrors& e) {
    EXPECT_EQ(std::string(e.what()), (folder_ / "recipe.toml").string() +
                                         ":13:1: unknown key 'optimiser' in [train]\n"
                                         "  optimiser = 1\n"
                                         "  ^\n"
                                         "  help: did you mean 'optimizer'?\n");
    const nlohmann::json json = recipe_errors_json(e);
    EXPECT_EQ(json.at("ok"), false);
    EXPECT_EQ(json.at("errors").at(0).at("line"), 13);
    EXPECT_EQ(json.at("errors").at(0).at("key"), "train.optimiser");
  }
}

TEST_F(LoadRecipe, SaysWhenNoPluginOfAKindWasFound) {
  LoadOptions none;
  write("recipe.toml", kMinimal);
  try {
    load_recipe(folder_ / "recipe.toml", none);
    FAIL() << "plugins came from nowhere";
  } catch (const RecipeErrors& e) {
    EXPECT_THAT(e.problems().at(0).suggestion, HasSubstr("no model plugin was found at all"));
  }
}

// --- ensembles -----------------------------------------------------------------------------------------------------

TEST_F(LoadRecipe, ReadsAnEnsembleOfRunFolders) {
  write("runs/a/recipe.toml", "recipe = 1\n");
  const std::string ensemble = kData + "[ensemble]\nplugin = \"vote\"\n[[ensemble.member]]\nrun = \"runs/a\"\n";
  const Recipe r = load(ensemble).recipe;
  ASSERT_TRUE(r.ensemble);
  EXPECT_FALSE(r.model);
  ASSERT_EQ(r.ensemble->members.size(), 1u);
  EXPECT_EQ(r.ensemble->members[0].run, folder_ / "runs" / "a");
  EXPECT_THAT(problems(ensemble + "[[ensemble.member]]\nrun = \"runs/b\"\n"),
              ElementsAre(StartsWith("12:7 there is no run folder")));
}

// --- resolved ------------------------------------------------------------------------------------------------------

TEST_F(LoadRecipe, TheResolvedRecipeReadsBackToItself) {
  write("inner/recipe.toml", "recipe = 1\n");
  write("start.safetensors", "");
  const std::string odd =
      "[\"a.b\", \"with \\\"quotes\\\"\", \"$HOME ${X:-y} $$\", \"tab\\tand\\\\slash\", \"\\u00e9 [0]\", \"plain\"]";
  const std::string text =
      "recipe = 1\nname = \"line\\nbreak # no comment\"\n[data]\nlayout = \"boostcamp\"\nroot = \"images $$ dollars\"\n"
      "classes = " +
      odd +
      "\nmirrored = [[\"$HOME ${X:-y} $$\", \"with \\\"quotes\\\"\"]]\nimage_size = [64, 32]\n"
      "mean = [0.1, 0.2, 1e-7]\nstd = [1, 1e20, 0.3333333333333333]\nseed = -9007199254740993\n"
      "[model]\nplugin = \"unet\"\nweights = \"start.safetensors\"\nweights_key = \"ema.model\"\nstrict = true\nstem = "
      "\"sum\"\n"
      "bias = false\n"
      "[[loss]]\nplugin = \"bce\"\nweight = -0.5\nclass_weights = [1, 2.5]\n"
      "[[loss]]\nplugin = \"dice\"\nclasses = [\"a.b\", \"$HOME ${X:-y} $$\"]\n"
      "[[augment]]\ngroup = \"some_of\"\ncount = 1\np = 0.5\n[[augment.steps]]\nplugin = \"rotate\"\np = 4\n"
      "[[augment.steps]]\ngroup = \"one_of\"\n[[augment.steps.steps]]\nplugin = \"brighten\"\nbrightness = [-0.5, 0]\n"
      "[[augment]]\nplugin = \"flip\"\n"
      "[train]\nepochs = 2\n[train.head_weights]\n\"aux.1\" = 0.25\nplain = 1\n"
      "[predict.thresholds]\n\"a.b\" = 0.25\n\"with \\\"quotes\\\"\" = 0.125\n\"$HOME y $\" = 0.75\n\"\\u00e9 [0]\" = "
      "1\n"
      "[[predict.post]]\nplugin = \"tta\"\nlabel = \"${X:-z}\"\nscales = [0.5, 1]\n"
      "[[predict.post]]\nplugin = \"refine\"\ninner = \"inner\"\nonly = [\"plain\"]\nclasses = "
      "[\"plain\", \"a.b\"]\n";
  ::unsetenv("X");
  // Strings of the recipe are expanded, keys are not.
  const LoadedRecipe first = load(text);
  const Recipe& a = first.recipe;
  EXPECT_EQ(a.data.classes.at(2), "$HOME y $");
  EXPECT_EQ(a.data.root, folder_ / "images $ dollars");

  const LoadedRecipe second = load_recipe(write("elsewhere/resolved.toml", resolved_toml(a.origins)), options());
  const Recipe& b = second.recipe;
  EXPECT_EQ(resolved_toml(b.origins), resolved_toml(a.origins));
  EXPECT_EQ(b.name, a.name);
  EXPECT_EQ(b.data.root, a.data.root);
  EXPECT_EQ(b.data.classes, a.data.classes);
  EXPECT_EQ(b.data.mirrored, a.data.mirrored);
  EXPECT_EQ(b.data.image_size, a.data.image_size);
  EXPECT_EQ(b.data.mean, a.data.mean);
  EXPECT_EQ(b.data.std, a.data.std);
  EXPECT_EQ(b.data.seed, a.data.seed);
  EXPECT_EQ(b.model->component.parameters, a.model->component.parameters);
  EXPECT_EQ(b.model->weights, a.model->weights);
  EXPECT_EQ(b.model->strict, a.model->strict);
  EXPECT_EQ(a.model->stem, "sum");
  EXPECT_EQ(b.model->stem, a.model->stem);
  EXPECT_EQ(a.model->weights_key, "ema.model");
  EXPECT_EQ(b.model->weights_key, a.model->weights_key);
  ASSERT_EQ(b.loss.size(), a.loss.size());
  EXPECT_EQ(b.loss[0].weight, -0.5);
  EXPECT_EQ(b.loss[1].component.parameters, a.loss[1].component.parameters);
  ASSERT_EQ(b.augment.size(), 2u);
  EXPECT_EQ(b.augment[0].count, 1);
  EXPECT_EQ(b.augment[0].steps.at(0).p, 4);
  EXPECT_EQ(b.augment[0].steps.at(1).steps.at(0).component.parameters,
            a.augment[0].steps.at(1).steps.at(0).component.parameters);
  EXPECT_EQ(b.train.head_weights, a.train.head_weights);
  EXPECT_EQ(b.predict.thresholds, a.predict.thresholds);
  EXPECT_EQ(b.predict.thresholds.size(), 4u);
  EXPECT_EQ(b.predict.post.at(0).parameters, a.predict.post.at(0).parameters);
  EXPECT_EQ(b.predict.post.at(1).parameters, a.predict.post.at(1).parameters);
  EXPECT_EQ(b.predict.post.at(1).classes, (std::vector<std::string>{"plain", "a.b"}));
  EXPECT_EQ(a.predict.post.at(1).classes, b.predict.post.at(1).classes);
}

TEST_F(LoadRecipe, PathsOfPluginsAreFilesThatAreThere) {
  const std::string post = kMinimal + "[[predict.post]]\nplugin = \"refine\"\ninner = \".\"\ntable = \"table.csv\"\n";
  try {
    load(post);
    FAIL() << "a file that is not there was taken";
  } catch (const RecipeErrors& e) {
    ASSERT_EQ(e.problems().size(), 1u);
    EXPECT_EQ(e.problems()[0].key, "predict.post[0].table");
    EXPECT_THAT(e.problems()[0].message, HasSubstr((folder_ / "table.csv").string()));
    EXPECT_GT(e.problems()[0].location.line, 0u);
  }
  write("table.csv", "1,2");
  std::vector<std::string> files;
  for (const Origin& origin : load(post).recipe.origins)
    files.insert(files.end(), origin.files.begin(), origin.files.end());
  EXPECT_EQ(files, std::vector<std::string>{(folder_ / "table.csv").string()});
}

TEST_F(LoadRecipe, WhatIsNotTrainedNeedsNoLoss) {
  const std::string model = kData + "[model]\nplugin = \"unet\"\n[train]\nepochs = ";
  EXPECT_EQ(load(model + "0\n").recipe.train.epochs, 0);
  EXPECT_THROW(load(model + "1\n"), RecipeErrors);
}

TEST_F(LoadRecipe, TheResolvedRecipeHoldsEveryValueOnceAndNothingExtended) {
  write("base.toml", kMinimal);
  const LoadedRecipe loaded = load("recipe = 1\nextends = \"base.toml\"\n");
  EXPECT_THAT(resolved_toml(loaded.recipe.origins), StartsWith("recipe = 1\n"));
  EXPECT_THAT(resolved_toml(loaded.recipe.origins), Not(HasSubstr("extends")));
  std::map<std::string, int> seen;
  for (const Origin& origin : loaded.recipe.origins) EXPECT_EQ(++seen[origin.key], 1) << origin.key;
}

// --- lists of allowed libraries ------------------------------------------------------------------------------------

const std::string kOther = "sha256:" + std::string(64, '0');

// The digest of every library of these tests is its plugin's name, filled up.
std::string digest_of(const std::string& plugin) {
  std::string digest(64, 'a');
  for (std::size_t i = 0; i < plugin.size(); ++i)
    digest[i] = "0123456789abcdef"[static_cast<unsigned char>(plugin[i]) % 16];
  return digest;
}

LoadOptions with_digests() {
  LoadOptions made = options();
  for (plugin::ComponentSchema& schema : made.schemas) schema.library_sha256 = digest_of(schema.name);
  return made;
}

std::string plugins_table(const std::vector<std::string>& entries) {
  std::string text = "[plugins]\nallow = [";
  for (const std::string& entry : entries) text += "\"" + entry + "\", ";
  return text + "]\n";
}

TEST_F(LoadRecipe, TakesPluginsOfAllowedLibrariesAlone) {
  const std::string unet = "sha256:" + digest_of("unet"), bce = "sha256:" + digest_of("bce");
  const auto allowed = write("recipe.toml", kMinimal + plugins_table({unet, kOther, bce}));
  EXPECT_THAT(load_recipe(allowed, with_digests()).recipe.plugins.allow, ElementsAre(unet, kOther, bce));
  EXPECT_THAT(load_recipe(write("recipe.toml", kMinimal), with_digests()).recipe.plugins.allow, IsEmpty());
  EXPECT_NO_THROW(load_recipe(write("recipe.toml", kMinimal + plugins_table({})), with_digests())) << "no list at all";
  try {
    load_recipe(write("recipe.toml", kMinimal + plugins_table({unet})), with_digests());
    ADD_FAILURE() << "the loss is not on the list";
  } catch (const RecipeErrors& e) {
    ASSERT_EQ(e.problems().size(), 1u);
    EXPECT_EQ(e.problems()[0].location.line, 10u);
    EXPECT_EQ(e.problems()[0].key, "loss[0].plugin");
    EXPECT_THAT(e.problems()[0].message, HasSubstr("'bce' is not among"));
    EXPECT_THAT(e.problems()[0].suggestion, HasSubstr(bce));
  }
  // A plugin whose library is unknown is on no list.
  EXPECT_THAT(problems(kMinimal + plugins_table({unet})), ::testing::SizeIs(2));
}

TEST_F(LoadRecipe, RefusesDigestsThatAreNone) {
  EXPECT_THAT(problems(kMinimal + "[plugins]\nallow = [\"sha256:12\"]\n", {"plugins.allow=[\"md5\"]"}),
              ::testing::Contains(HasSubstr("'md5' is no digest")));
  EXPECT_THAT(problems(kMinimal + "[plugins]\nallow = [\"sha256:12\"]\n"),
              ::testing::Contains(StartsWith("14:10 'sha256:12' is no digest")));
  EXPECT_THAT(problems(kMinimal + "[plugins]\nforbid = []\n"), ElementsAre(HasSubstr("unknown key 'forbid'")));
}

TEST_F(LoadRecipe, SaysWhichLibrariesItAllowsBeforeItIsChecked) {
  const std::string unet = digest_of("unet");
  write("base.toml", kMinimal + plugins_table({kOther}));
  const std::string extending = "recipe = 1\nextends = \"base.toml\"\n";
  EXPECT_EQ(allowed_libraries(write("recipe.toml", extending), {}), std::set<std::string>{std::string(64, '0')});
  EXPECT_EQ(allowed_libraries(write("recipe.toml", extending + plugins_table({"sha256:" + unet, "nonsense"})), {}),
            std::set<std::string>{unet});
  EXPECT_EQ(allowed_libraries(folder_ / "recipe.toml", {"plugins.allow=[]"}), std::nullopt);
  EXPECT_EQ(allowed_libraries(folder_ / "recipe.toml", {"plugins.allow=[\"nonsense\"]"}), std::set<std::string>{})
      << "a list of nothing that can be read is still a list";
  EXPECT_EQ(allowed_libraries(write("recipe.toml", kMinimal), {}), std::nullopt);
  EXPECT_EQ(allowed_libraries(write("recipe.toml", "no TOML ["), {}), std::nullopt);
  EXPECT_EQ(allowed_libraries(folder_ / "absent.toml", {}), std::nullopt);
}

TEST_F(LoadRecipe, SaysThatWhatIsMissingMayHaveBeenRefused) {
  LoadOptions some = options({"model.plugin=unett"});
  const auto help = [&] {
    try {
      load_recipe(write("recipe.toml", kMinimal), some);
    } catch (const RecipeErrors& e) {
      return e.problems().at(0).suggestion;
    }
    return std::string("nothing was thrown");
  };
  EXPECT_EQ(help(), "did you mean 'unet'?");
  some.refused = {{"/plugins/model-other.so", "crashed"}, {"/plugins/other.so", "crashed"}};
  EXPECT_EQ(help(), "did you mean 'unet'?; 2 libraries are refused; `osteon plugins list` says why");
  some.refused.push_back({"/plugins/model-unett.so", "built for another host"});
  EXPECT_EQ(help(), "did you mean 'unet'?; /plugins/model-unett.so is refused: built for another host");
}

// An augmentation with ranges of every sort, which the schemas that all tests share do without.
LoadOptions with_ranges() {
  using plugin::ParameterType;
  plugin::ParameterSpec whole = parameter("blur_limit", ParameterType::kIntRange, std::vector<std::int64_t>{3, 7});
  whole.minimum = 3;
  whole.maximum = 99;
  whole.aliases = {"limit"};
  plugin::ParameterSpec bands = parameter("bands", ParameterType::kFloatRange, std::vector<double>{0, 0.5, 0.5, 1});
  bands.list = true;
  bands.max_count = 3;
  plugin::ParameterSpec sizes = parameter("sizes", ParameterType::kIntRange, std::vector<std::int64_t>{});
  sizes.list = true;
  LoadOptions some = options();
  some.schemas.push_back(schema(plugin::Kind::kAugmentation, "blur", {whole, bands, sizes}));
  return some;
}

TEST_F(LoadRecipe, ReadsRangesOfIntegersAndListsOfRanges) {
  const auto augment = [](const std::string& keys) { return kMinimal + "[[augment]]\nplugin = \"blur\"\n" + keys; };
  const LoadedRecipe loaded = load_recipe(
      write("recipe.toml", augment("blur_limit = [5, 9]\nbands = [[0, 1], [0.25, 0.5]]\nsizes = [[1, 2]]\n")),
      with_ranges());
  const plugin::Parameters& values = loaded.recipe.augment.at(0).component.parameters;
  EXPECT_EQ(values.at(0), ParameterValue(std::vector<std::int64_t>{5, 9}));
  EXPECT_EQ(values.at(1), ParameterValue(std::vector<double>{0, 1, 0.25, 0.5}));
  EXPECT_EQ(values.at(2), ParameterValue(std::vector<std::int64_t>{1, 2}));
  // What a run keeps reads back as it was.
  const std::string resolved = resolved_toml(loaded.recipe.origins);
  EXPECT_THAT(resolved, HasSubstr("bands = [[0.0, 1.0], [0.25, 0.5]]"));
  EXPECT_EQ(load_recipe(write("again.toml", resolved), with_ranges()).recipe.augment.at(0).component.parameters,
            values);

  const auto problem = [&](const std::string& keys) {
    try {
      load_recipe(write("recipe.toml", augment(keys)), with_ranges());
    } catch (const RecipeErrors& e) {
      return e.problems().at(0).message;
    }
    return std::string("nothing was thrown");
  };
  EXPECT_THAT(problem("blur_limit = [5.5, 9]"), HasSubstr("is a float, expected a range [low, high] of integers"));
  EXPECT_THAT(problem("blur_limit = [9, 5]"), HasSubstr("runs from 9 down to 5"));
  EXPECT_THAT(problem("blur_limit = [1, 5]"), HasSubstr("is 1, expected"));
  EXPECT_THAT(problem("bands = [[1, 0]]"), HasSubstr("runs from 1 down to 0"));
  EXPECT_THAT(problem("bands = [[0, 1], \"3\"]"), HasSubstr("expected a list of 0 to 3 ranges"));
  EXPECT_THAT(problem("bands = [[0, 1], [0, 1], [0, 1], [0, 1]]"), HasSubstr("has 4 elements"));
}

TEST_F(LoadRecipe, TakesOneNumberForTheRangeThatAlbumentationsTakesItFor) {
  const auto read = [&](const std::string& keys, std::size_t parameter) {
    const LoadedRecipe loaded =
        load_recipe(write("recipe.toml", kMinimal + "[[augment]]\nplugin = \"blur\"\n" + keys), with_ranges());
    EXPECT_THAT(loaded.warnings, IsEmpty()) << keys;
    EXPECT_THAT(resolved_toml(loaded.recipe.origins), Not(HasSubstr(keys))) << "the range is what a run keeps";
    return loaded.recipe.augment.at(0).component.parameters.at(parameter);
  };
  using Whole = std::vector<std::int64_t>;
  using Real = std::vector<double>;
  EXPECT_EQ(read("blur_limit = 7\n", 0), ParameterValue(Whole{3, 7}));
  EXPECT_EQ(read("blur_limit = 3\n", 0), ParameterValue(Whole{3, 3}));
  EXPECT_EQ(read("limit = 7\n", 0), ParameterValue(Whole{3, 7}));
  EXPECT_EQ(read("bands = [0.25]\n", 1), ParameterValue(Real{-0.25, 0.25}));
  EXPECT_EQ(read("bands = [[0, 1], 3]\n", 1), ParameterValue(Real{0, 1, -3, 3}));
  EXPECT_EQ(read("sizes = [1, 2, 0]\n", 2), ParameterValue(Whole{-1, 1, -2, 2, 0, 0}));
  // On the command line too, and 0 has no sign.
  const LoadedRecipe loaded = load(kMinimal + "[[augment]]\nplugin = \"brighten\"\n", {"augment[0].brightness=0.3"});
  EXPECT_EQ(loaded.recipe.augment.at(0).component.parameters.at(0), ParameterValue(Real{-0.3, 0.3}));
  EXPECT_THAT(resolved_toml(loaded.recipe.origins), HasSubstr("brightness = [-0.3, 0.3]"));
  EXPECT_THAT(resolved_toml(load(kMinimal + "[[augment]]\nplugin = \"brighten\"\nbrightness = 0\n").recipe.origins),
              HasSubstr("brightness = [0.0, 0.0]"));
}

TEST_F(LoadRecipe, RefusesOneNumberWhoseRangeIsOutOfBoundsAndSaysWhatItWasTakenFor) {
  const auto problem = [&](const std::string& keys) {
    try {
      load_recipe(write("recipe.toml", kMinimal + "[[augment]]\nplugin = \"blur\"\n" + keys), with_ranges());
    } catch (const RecipeErrors& e) {
      return e.problems().at(0).message + "; " + e.problems().at(0).suggestion;
    }
    return std::string("nothing was thrown");
  };
  EXPECT_THAT(
      problem("blur_limit = 1\n"),
      HasSubstr("'augment[0].blur_limit' is 1, taken for [3, 1]; expected a range [low, high] of integers or one "
                "number x for [3, x] between 3 and 99"));
  EXPECT_THAT(problem("limit = 101\n"), HasSubstr("'augment[0].limit' is 101, taken for [3, 101]; expected"));
  EXPECT_THAT(problem("blur_limit = 5.5\n"), HasSubstr("is a float, expected a range [low, high] of integers"));
  EXPECT_THAT(problem("bands = [inf]\n"), HasSubstr("not a finite number"));
  EXPECT_THAT(problem("bands = [0, 1]\n"),
              HasSubstr("two numbers, which may be one range or two; write [[low, high]]"));
  EXPECT_THAT(problem("bands = 1\n"), HasSubstr("is an integer, expected a list of"));
  EXPECT_THAT(problem("sizes = [-9223372036854775808]\n"), HasSubstr("has no opposite"));
  EXPECT_THAT(problems(kMinimal + "[[augment]]\nplugin = \"brighten\"\nbrightness = 1.5\n"),
              ElementsAre(HasSubstr("15:14 'augment[0].brightness' is 1.5, taken for [-1.5, 1.5]; expected")));
}

TEST_F(LoadRecipe, WarnsOfANegativeNumberWhereARangeBelongs) {
  const LoadedRecipe loaded = load(kMinimal + "[[augment]]\nplugin = \"brighten\"\nbrightness = -0.25\n");
  EXPECT_EQ(loaded.recipe.augment.at(0).component.parameters.at(0), ParameterValue(std::vector<double>{-0.25, 0.25}));
  EXPECT_THAT(loaded.warnings,
              ElementsAre(HasSubstr("recipe.toml:15:14: 'augment[0].brightness' is -0.25, taken for [-0.25, 0.25]")));
  EXPECT_THAT(load_recipe(write("recipe.toml", kMinimal + "[[augment]]\nplugin = \"blur\"\nbands = [[-1, 1], -2]\n"),
                          with_ranges())
                  .warnings,
              ElementsAre(HasSubstr("is -2, taken for [-2, 2]")));
  EXPECT_THAT(load(kMinimal + "[[augment]]\nplugin = \"brighten\"\nbrightness = [-0.5, -0.25]\n").warnings, IsEmpty());
}

TEST_F(LoadRecipe, TakesTheHighestVersionUnlessAnotherIsAskedFor) {
  LoadOptions some = options();
  for (const char* version : {"1.2.0", "1.10.0", "2.0.0"}) {
    plugin::ComponentSchema blur = schema(plugin::Kind::kAugmentation, "blur");
    blur.version = version;
    plugin::ParameterSpec spec = parameter("only_in_" + std::string(1, version[0]) + std::string(1, version[2]),
                                           plugin::ParameterType::kBool, std::vector<bool>{true});
    blur.parameters.push_back(spec);
    some.schemas.push_back(blur);
  }
  const auto load_blur = [&](const std::string& keys) {
    return load_recipe(write("recipe.toml", kMinimal + "[[augment]]\nplugin = \"blur\"\n" + keys), some).recipe;
  };
  const auto problem = [&](const std::string& keys) {
    try {
      load_blur(keys);
    } catch (const RecipeErrors& e) {
      return e.problems().at(0).message + "; " + e.problems().at(0).suggestion;
    }
    return std::string("nothing was thrown");
  };
  EXPECT_EQ(load_blur("only_in_20 = true").augment.at(0).component.version, "");
  EXPECT_EQ(load_blur("version = \"1.2\"\nonly_in_12 = true").augment.at(0).component.version, "1.2");
  load_blur("version = \"1\"\nonly_in_11 = true");  // of 1.2.0 and 1.10.0 the higher
  EXPECT_THAT(problem("only_in_12 = true"), HasSubstr("only_in_12"));
  EXPECT_THAT(problem("version = \"3\""),
              HasSubstr("there is no augmentation plugin 'blur' of version 3; there is: 1.2.0"));
  EXPECT_THAT(problem("version = 2"), HasSubstr("'version' is an integer"));
}

}  // namespace
}  // namespace osteon::recipe::test
