// SPDX-License-Identifier: Apache-2.0
// The command line that people and scripts rely on: verbs, exit codes, JSON, and answers without waiting.
#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "support/program.hpp"

namespace osteon::test {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

Outcome osteon(const std::string& arguments) { return run_program(OSTEON_PROGRAM, arguments); }

const std::string kRecipe = std::string(OSTEON_SOURCE_DIR) + "/configs/demo/hand.toml";
const std::string kWithData = "--set 'data.root=\"/tmp\"'";

class Cli : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { ::setenv("OSTEON_DEMO_DATA", "/tmp", 1); }
};

TEST_F(Cli, HelpWorksAtEveryLevel) {
  for (const std::string verb :
       {"", "plugins", "plugins list", "plugins describe", "recipe", "recipe check", "recipe show", "recipe schema",
        "phantom", "train", "evaluate", "predict", "augment", "augment preview", "model", "model forward", "doctor"}) {
    const Outcome outcome = osteon(verb + " -h");
    EXPECT_EQ(outcome.exit_code, 0) << verb;
    EXPECT_THAT(outcome.out, HasSubstr("Usage")) << verb;
  }
}

TEST_F(Cli, WrongUsageEndsWithTwo) {
  EXPECT_EQ(osteon("").exit_code, 2);
  EXPECT_EQ(osteon("no-such-verb").exit_code, 2);
  EXPECT_EQ(osteon("plugins list --no-such-flag").exit_code, 2);
  EXPECT_EQ(osteon("plugins describe no_such_plugin").exit_code, 2);
  EXPECT_EQ(osteon("train").exit_code, 2);
}

TEST_F(Cli, AnUnknownPluginIsAnsweredWithASuggestion) {
  EXPECT_THAT(osteon("plugins describe rotat").err, HasSubstr("did you mean 'rotate'"));
}

TEST_F(Cli, MissingFilesEndWithThreeAndAreNamed) {
  const Outcome outcome = osteon("predict /no/such/run /no/such/image.png --out /tmp/nothing");
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_THAT(outcome.err, HasSubstr("/no/such/"));
}

TEST_F(Cli, ErrorsAreJsonWhenAskedFor) {
  const Outcome outcome = osteon("evaluate /no/such/run --json");
  EXPECT_EQ(outcome.exit_code, 3);
  const json error = json::parse(outcome.out).at("error");
  EXPECT_EQ(error.at("code"), 3);
  EXPECT_EQ(error.at("where"), "/no/such/run");
  EXPECT_FALSE(error.at("message").get<std::string>().empty());
}

TEST_F(Cli, PluginsAreListedWithTheKeysThatScriptsRead) {
  const json rows = json::parse(osteon("plugins list --json").out);
  ASSERT_TRUE(rows.is_array());
  std::vector<std::string> names;
  for (const json& row : rows) {
    for (const char* key : {"name", "kind", "version", "abi", "path", "status", "reason"})
      EXPECT_TRUE(row.contains(key)) << key;
    EXPECT_EQ(row.at("status"), "ok") << row.dump();
    names.push_back(row.at("name"));
  }
  for (const char* name :
       {"unet", "bce", "dice", "horizontal_flip", "rotate", "random_brightness_contrast", "tta", "soft_voting"})
    EXPECT_NE(std::find(names.begin(), names.end(), name), names.end()) << name;
}

TEST_F(Cli, APluginIsDescribedWithTheKeysThatScriptsRead) {
  const json description = json::parse(osteon("plugins describe rotate --json").out);
  EXPECT_EQ(description.at("name"), "rotate");
  EXPECT_EQ(description.at("kind"), "augmentation");
  ASSERT_FALSE(description.at("parameters").empty());
  for (const json& parameter : description.at("parameters"))
    for (const char* key : {"name", "type", "default", "min", "max", "choices", "unit", "doc"})
      EXPECT_TRUE(parameter.contains(key)) << key;
}

TEST_F(Cli, ADescriptionSaysWhatElseAParameterIsCalledAndWhatOneNumberMeans) {
  EXPECT_THAT(osteon("plugins describe random_brightness_contrast").out,
              HasSubstr("  brightness : float_range = [-0.2,0.2]  (-1 .. 1)\n"
                        "      shift, as a share of what brightness_by_max says\n"
                        "      One number x means [-x, x].\n"
                        "      Also called brightness_limit.\n"));
  EXPECT_THAT(osteon("plugins describe gaussian_blur").out, HasSubstr("One number x means [3, x]."));
}

TEST_F(Cli, ARecipeIsCheckedAndItsProblemsAreJson) {
  EXPECT_EQ(osteon("recipe check " + kRecipe).exit_code, 0);
  const Outcome outcome =
      osteon("recipe check " + kRecipe + " --json --set train.epoch=3 --set model.encoder=resnet19");
  EXPECT_EQ(outcome.exit_code, 2);
  const json result = json::parse(outcome.out);
  EXPECT_EQ(result.at("ok"), false);
  ASSERT_EQ(result.at("errors").size(), 2u) << result.dump(2);
  for (const json& error : result.at("errors"))
    for (const char* key : {"file", "line", "column", "key", "message", "suggestion"})
      EXPECT_TRUE(error.contains(key)) << key;
}

// Each value is right by itself; only what is made of them can tell.
TEST_F(Cli, WhatAPluginsConstructorRefusesIsFoundWithoutStartingAnything) {
  TemporaryFolder folder;
  write_text(folder / "recipe.toml", "recipe = 1\nextends = \"" + kRecipe +
                                         "\"\n\n[[predict.post]]\nplugin = \"dense_crf\"\nexclusive = \"always\"\n");
  const Outcome outcome = osteon("recipe check --json " + (folder / "recipe.toml").string());
  EXPECT_EQ(outcome.exit_code, 2) << outcome.err;
  const json errors = json::parse(outcome.out).at("errors");
  ASSERT_EQ(errors.size(), 1u) << errors;
  EXPECT_EQ(errors[0].at("key"), "predict.post[0]");
  EXPECT_EQ(errors[0].at("line"), 4);
  EXPECT_THAT(errors[0].at("message").get<std::string>(), HasSubstr("without_background"));
}

// Chains of every order that the host can bridge are fine; members are looked at with theirs, before any is opened.
TEST_F(Cli, ChainsAndMembersAreTypedBeforeAnythingIsMade) {
  TemporaryFolder folder;
  const std::string of_demo = "recipe = 1\nextends = \"" + kRecipe + "\"\n";
  const auto post = [](const std::string& text) { return "\n[[predict.post]]\nplugin = " + text + "\n"; };
  const std::string unlike = post("\"tta\"\nmerge = \"mean_probabilities\"") + post("\"tta\"\nmerge = \"mean_logits\"");
  write_text(folder / "chain.toml", of_demo + unlike);
  EXPECT_EQ(osteon("recipe check " + (folder / "chain.toml").string()).exit_code, 0);

  std::filesystem::create_directories(folder / "whole");
  std::filesystem::create_directories(folder / "masks");
  std::filesystem::create_directories(folder / "other");
  write_text(folder / "whole" / "recipe.toml", of_demo + unlike);
  write_text(folder / "masks" / "recipe.toml", of_demo + post("\"components\""));
  write_text(folder / "other" / "recipe.toml",
             of_demo + "\n[data]\nclasses = [\"Radius\", \"Skull\"]\nmirrored = []\n");
  const std::string ensemble =
      "recipe = 1\nextends = \"" + std::string(OSTEON_SOURCE_DIR) +
      "/configs/base/hand29.toml\"\n\n[data]\nroot = \"/tmp\"\nimage_size = 192\n\n[ensemble]\nplugin = "
      "\"soft_voting\"\n";
  const auto member = [](const std::string& run) { return "\n[[ensemble.member]]\nrun = \"" + run + "\"\n"; };
  write_text(folder / "right.toml", ensemble + member("whole") + member("whole"));
  const Outcome right = osteon("recipe check " + (folder / "right.toml").string());
  EXPECT_EQ(right.exit_code, 0) << right.err;

  const std::string wrong = (folder / "wrong.toml").string();
  write_text(wrong, ensemble + member("whole") + member("masks") + member("other"));
  for (const std::string& verb :
       {"recipe check --json " + wrong, "train --json " + wrong + " --out " + (folder / "run").string()}) {
    const Outcome outcome = osteon(verb);
    EXPECT_EQ(outcome.exit_code, 2) << outcome.err;
    const json errors = json::parse(outcome.out).at("errors");
    ASSERT_EQ(errors.size(), 2u) << errors;
    EXPECT_EQ(errors[0].at("key"), "ensemble.member[1].run");
    EXPECT_EQ(errors[0].at("line"), 15);
    EXPECT_EQ(errors[0].at("column"), 7);
    EXPECT_THAT(errors[0].at("message").get<std::string>(),
                HasSubstr("gives decided masks alone, and what is above it needs probabilities"));
    EXPECT_EQ(errors[1].at("line"), 18);
    EXPECT_THAT(errors[1].at("message").get<std::string>(), HasSubstr("Skull"));
  }
  EXPECT_FALSE(std::filesystem::exists(folder / "run")) << "nothing was started";
}

TEST_F(Cli, ARecipeIsShownWithTheOriginOfEachValue) {
  const Outcome outcome = osteon("recipe show " + kRecipe + " --set train.epochs=3");
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.out, HasSubstr("hand29.toml:"));
  EXPECT_THAT(outcome.out, HasSubstr("hand.toml:"));
  EXPECT_THAT(outcome.out, HasSubstr("--set"));
  EXPECT_THAT(outcome.out, HasSubstr("default"));
}

// The engine alone takes half a second to load: answers that need none of it come without it.
TEST_F(Cli, LightVerbsAnswerInWellUnderAHundredMilliseconds) {
  osteon("plugins list");  // warms the cache of descriptors
  for (const std::string& verb : {std::string("-h"), std::string("plugins list"), "recipe check " + kRecipe}) {
    double best = 1;
    for (int i = 0; i < 5; ++i) best = std::min(best, osteon(verb).processor_seconds);
    EXPECT_LT(best, 0.1) << verb;
  }
}

// --- lists of allowed plugins --------------------------------------------------------------------------------------

class AllowedPlugins : public Cli {
 protected:
  AllowedPlugins() {
    const Outcome printed = osteon("plugins list --allow-list");
    EXPECT_EQ(printed.exit_code, 0) << printed.err;
    list_ = printed.out;
    allow(list_);
  }
  ~AllowedPlugins() override { ::unsetenv("OSTEON_PLUGIN_ALLOW"); }

  void allow(const std::string& list) {
    write_text(folder_ / "list.toml", list);
    ::setenv("OSTEON_PLUGIN_ALLOW", (folder_ / "list.toml").c_str(), 1);
  }
  // The list without the line that names this library.
  std::string without(const std::string& library) const {
    const std::size_t at = list_.find(library), start = list_.rfind('\n', at) + 1;
    return std::string(list_).erase(start, list_.find('\n', at) + 1 - start);
  }

  TemporaryFolder folder_;
  std::string list_;
};

TEST_F(AllowedPlugins, AreWhatTheListThatWasPrintedHas) {
  const json rows = json::parse(osteon("plugins list --json").out);
  ASSERT_FALSE(rows.empty());
  for (const json& row : rows) {
    EXPECT_EQ(row.at("status"), "ok") << row.dump();
    EXPECT_THAT(list_, HasSubstr("\"sha256:" + row.at("sha256").get<std::string>() + "\",  # "));
  }
  const json doctor = json::parse(osteon("doctor --json").out);
  EXPECT_EQ(doctor.at("plugins").at("allow_lists").at(0).at("file"), (folder_ / "list.toml").string());
}

TEST_F(AllowedPlugins, AreAnsweredForInWellUnderAHundredMilliseconds) {
  osteon("plugins list");
  for (const std::string& verb : {std::string("plugins list"), "recipe check " + kRecipe}) {
    double best = 1;
    for (int i = 0; i < 5; ++i) best = std::min(best, osteon(verb).processor_seconds);
    EXPECT_LT(best, 0.1) << verb;
  }
}

TEST_F(AllowedPlugins, AloneAreUsed) {
  allow(without("loss-dice.so"));
  const Outcome listed = osteon("plugins list");
  EXPECT_EQ(listed.exit_code, 0);
  EXPECT_THAT(listed.out, HasSubstr("is not among the allowed plugins of " + (folder_ / "list.toml").string()));
  const Outcome checked = osteon("recipe check " + kRecipe);
  EXPECT_EQ(checked.exit_code, 2);
  EXPECT_THAT(checked.err, HasSubstr("no loss plugin 'dice'"));
  EXPECT_THAT(checked.err, HasSubstr("loss-dice.so is refused: sha256:"));
  // A recipe's own list does not bring it back.
  write_text(folder_ / "recipe.toml", "recipe = 1\nextends = [\"" + kRecipe + "\", \"all.toml\"]\n");
  write_text(folder_ / "all.toml", list_);
  EXPECT_EQ(osteon("recipe check " + (folder_ / "recipe.toml").string()).exit_code, 2);
}

TEST_F(AllowedPlugins, AloneAreValidated) {
  const json rows = json::parse(osteon("plugins list --json").out);
  const std::string dice =
      std::find_if(rows.begin(), rows.end(), [](const json& row) { return row.at("name") == "dice"; })->at("path");
  EXPECT_EQ(osteon("plugins validate " + dice + " --check describes-itself").exit_code, 0);
  allow(without("loss-dice.so"));
  const Outcome refused = osteon("plugins validate " + dice + " --check describes-itself");
  EXPECT_EQ(refused.exit_code, 4);
  EXPECT_THAT(refused.err, HasSubstr("is not among the allowed plugins"));
  // Nor by the hidden verbs that do the work.
  EXPECT_EQ(osteon("run-check " + dice + " library '' --check describes-itself").exit_code, 4);
}

TEST_F(AllowedPlugins, OfARecipeAreAllThatItIsRunWith) {
  ::unsetenv("OSTEON_PLUGIN_ALLOW");
  write_text(folder_ / "recipe.toml", "recipe = 1\nextends = [\"" + kRecipe + "\", \"pins.toml\"]\n");
  write_text(folder_ / "pins.toml", list_);
  const std::string check = "recipe check " + (folder_ / "recipe.toml").string();
  EXPECT_EQ(osteon(check).exit_code, 0) << osteon(check).err;
  write_text(folder_ / "pins.toml", without("loss-dice.so"));
  const Outcome refused = osteon(check);
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(refused.err, HasSubstr("allowed plugins of the recipe " + (folder_ / "recipe.toml").string()));
  EXPECT_EQ(osteon(check + " --set plugins.allow=[]").exit_code, 0);
}

TEST_F(AllowedPlugins, AreNotGuessedWhenTheListCannotBeRead) {
  allow("no list");
  for (const std::string& verb : {std::string("plugins list"), "recipe check " + kRecipe, std::string("doctor")})
    EXPECT_EQ(osteon(verb).exit_code, 3) << verb;
  EXPECT_EQ(osteon("-h").exit_code, 0);
}

TEST_F(Cli, APluginFolderIsNeverTheCurrentOneBySurprise) {
  const TemporaryFolder folder;
  write_text(folder / "plugins/trap.so", "no library");
  const std::string here = "cd " + folder.path().string() + " && ";
  const auto list = [&](const std::string& environment, const std::string& arguments) {
    return run_program(here + environment + " " + OSTEON_PROGRAM, "plugins list " + arguments);
  };
  for (const char* entry : {".", "plugins", ":", "./plugins:"})
    EXPECT_THAT(list(std::string("OSTEON_PLUGIN_PATH=") + entry, "").out, Not(HasSubstr("trap"))) << entry;
  const Outcome given = list("", "--plugin-path plugins");
  EXPECT_THAT(given.out, HasSubstr((std::filesystem::canonical(folder.path()) / "plugins/trap.so").string()));
  const Outcome empty = list("", "--plugin-path ''");
  EXPECT_EQ(empty.exit_code, 2) << empty.out;
  EXPECT_THAT(list("LD_LIBRARY_PATH=:/usr/lib", "").err, HasSubstr("LD_LIBRARY_PATH"));
}

TEST_F(Cli, DoctorSaysWhatIsInUse) {
  const json result = json::parse(osteon("doctor --json").out);
  for (const char* key :
       {"osteon", "abi", "cores", "threads", "instruction_set", "blas", "cache", "advice", "plugins", "engine"})
    EXPECT_TRUE(result.contains(key)) << key;
  EXPECT_GT(result.at("engine").at("matmul_gflops").get<double>(), 0);
  EXPECT_EQ(result.at("engine").at("threads"), result.at("threads"));
}

}  // namespace
}  // namespace osteon::test
