// SPDX-License-Identifier: Apache-2.0
// What holds beneath every verb: descriptors, standard output, the file system's refusals, words that are no verbs, and
// texts of others on a terminal.
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "support/program.hpp"
#include "unit/plugin/libraries.hpp"

namespace osteon::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

Outcome osteon(const std::string& arguments) { return run_program(OSTEON_PROGRAM, arguments); }

/// With the program as $O, and redirections of its own.
Outcome shell(const std::string& script) {
  return run_program(std::string("O=") + OSTEON_PROGRAM + " sh -c '" + script + "'", "");
}

fs::path first_file(const fs::path& folder) {
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_regular_file()) return entry.path();
  throw std::runtime_error(folder.string() + " holds no file");
}

/// A run of a model as it begins, and its data.
class Floor : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new TemporaryFolder();
    ASSERT_EQ(osteon("phantom " + path("data") + " --patients 2 --test-patients 1 --size 64").exit_code, 0);
    write_text(
        path("recipe.toml"),
        std::string("recipe = 1\nextends = \"") + OSTEON_SOURCE_DIR +
            "/configs/base/hand29.toml\"\n[data]\nroot = \"data\"\nimage_size = 32\nfolds = 2\n[model]\nplugin = "
            "\"unet\"\nencoder = \"resnet18\"\nwidth = 0.125\ndecoder_channels = [8, 8, 8, 8, 8]\n"
            "[[loss]]\nplugin = \"bce\"\n[train]\nepochs = 0\n");
    const Outcome made = osteon("train " + path("recipe.toml") + " --out " + path("run"));
    ASSERT_EQ(made.exit_code, 0) << made.err;
  }
  static void TearDownTestSuite() { delete folder_; }
  static std::string path(const std::string& name) { return (*folder_ / name).string(); }
  static TemporaryFolder* folder_;
};
TemporaryFolder* Floor::folder_ = nullptr;

// --- descriptors -----------------------------------------------------------------------------------------------------

TEST_F(Floor, NoFileGetsTheNumberOfAClosedStandardDescriptor) {
  const fs::path images = path("images");
  fs::copy(path("data/test/DCM"), images, fs::copy_options::recursive);
  const std::string whole = slurp(first_file(images));
  write_text(images / "broken.png", whole.substr(0, whole.size() / 2));
  const std::string predict =
      "predict " + path("run") + " " + images.string() + " --format csv --set data.on_broken=skip --out ";
  EXPECT_EQ(osteon(predict + path("open")).exit_code, 0);
  const std::string expected = slurp(path("open/submission.csv"));
  ASSERT_THAT(expected, StartsWith("image_name,"));
  int i = 0;
  for (const char* closed : {"2>&-", "<&- 2>&-"}) {
    const std::string out = path("closed" + std::to_string(i++));
    EXPECT_EQ(shell("$O " + predict + out + " " + closed).exit_code, 0) << closed;
    EXPECT_EQ(slurp(out + "/submission.csv"), expected) << closed;
  }
}

TEST_F(Floor, AResultThatCannotBeWrittenIsAnError) {
  for (const std::string& verb : {std::string("plugins list"), std::string("plugins list --json"),
                                  std::string("recipe schema"), std::string("-h"), std::string("--version"),
                                  "evaluate " + path("run"), std::string("evaluate /no/such/run --json")})
    for (const char* to : {">/dev/full", ">&-"}) {
      const Outcome outcome = shell("$O " + verb + " " + to);
      EXPECT_EQ(outcome.exit_code, 5) << verb << to;
      EXPECT_THAT(outcome.err, HasSubstr("standard output: cannot write the result")) << verb << to;
    }
}

// The signal that comes with it would end the program without a word.
TEST_F(Floor, AFileThatMeetsALimitIsAFullDisk) {
  const Outcome outcome = shell("ulimit -f 1; $O recipe schema >" + path("cut.json"));
  EXPECT_EQ(outcome.exit_code, 5);
  EXPECT_THAT(outcome.err, HasSubstr("standard output: cannot write the result: File too large"));
}

// With a function of the program's own that throws, in its libraries' place.
TEST_F(Floor, AnErrorThatNobodyForesawEndsWithSeventy) {
  const auto fails = [](const std::string& environment, const std::string& flags) {
    // Of a sanitizer, which wants to be first.
    return run_program(
        "ASAN_OPTIONS=verify_asan_link_order=0 LD_PRELOAD=" OSTEON_UNFORESEEN " " + environment + OSTEON_PROGRAM,
        "recipe schema" + flags);
  };
  const Outcome plain = fails("", "");
  EXPECT_EQ(plain.exit_code, 70);
  EXPECT_EQ(plain.out, "");
  EXPECT_THAT(plain.err, StartsWith("osteon: internal error: map::at; this is a fault of the program"));
  EXPECT_THAT(plain.err, HasSubstr("please report it"));
  const Outcome number = fails("OSTEON_TEST_THROW_NUMBER=1 ", "");
  EXPECT_EQ(number.exit_code, 70);
  EXPECT_THAT(number.err, HasSubstr("something that is no exception of the standard library's"));
  const Outcome as_json = fails("", " --json");
  EXPECT_EQ(as_json.exit_code, 70);
  EXPECT_EQ(json::parse(as_json.out).at("error").at("code"), 70);
}

TEST_F(Floor, StandardOutputHoldsTheDocumentAlone) {
  const plugin::test::TemporaryFolder plugins;
  plugins.add("talks");
  write_text(path("talks.toml"),
             "recipe = 1\nextends = \"recipe.toml\"\n[data]\nworkers = 0\n[train]\nepochs = 1\nbatch_size = 4\n"
             "validate_every = 0\n");
  const std::string train = "train " + path("talks.toml") + " --overwrite --out " + path("talks") + " --plugin-path " +
                            plugins.path().string() + " --set loss[0].plugin=constant";
  const Outcome with_json = osteon(train + " --json");
  EXPECT_EQ(with_json.exit_code, 0) << with_json.err;
  EXPECT_TRUE(json::accept(with_json.out)) << with_json.out;
  EXPECT_THAT(with_json.err, HasSubstr("talks: initialised 1 licence"));
  EXPECT_THAT(with_json.err, HasSubstr("talks: evaluates"));
}

TEST_F(Floor, APluginThatCrashesWhenItIsMadeIsNamedByACheck) {
  const plugin::test::TemporaryFolder plugins;
  plugins.add("unruly");
  const Outcome outcome = osteon("recipe check " + path("recipe.toml") + " --plugin-path " + plugins.path().string() +
                                 " --set loss[0].plugin=stillborn");
  EXPECT_EQ(outcome.exit_code, 4) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("recipe.toml:"));
  EXPECT_THAT(outcome.err, HasSubstr("loss 'stillborn', create: crashed"));
}

// --- the file system and the system ----------------------------------------------------------------------------------

TEST_F(Floor, PathsThatNoFileSystemTakesAreRefusedByName) {
  const std::string long_name(5000, 'a'), circle = path("circle");
  std::error_code there;
  fs::create_symlink("circle", circle, there);
  const auto expect_refused = [](const std::string& verb, const std::string& name) {
    const Outcome outcome = osteon(verb);
    EXPECT_THAT(outcome.exit_code, ::testing::AnyOf(2, 3)) << verb.substr(0, 40);
    EXPECT_THAT(outcome.err, HasSubstr(name.substr(0, 100))) << verb.substr(0, 40);
    EXPECT_THAT(outcome.err, Not(HasSubstr("internal error"))) << verb.substr(0, 40);
  };
  for (const std::string& name : {long_name, circle})
    for (const std::string& verb :
         {"train " + name, "evaluate " + name, "predict " + path("run") + " " + name + " --out " + path("none")})
      expect_refused(verb, name);
  for (const std::string& verb : {"train --resume " + long_name, "predict " + long_name + " x --out y",
                                  "model forward " + long_name + " --input x --output y",
                                  "weights inspect " + long_name, "plugins validate " + long_name + ".so"})
    expect_refused(verb, long_name);
  EXPECT_EQ(osteon("plugins list --plugin-path " + long_name).exit_code, 0) << "there is no such folder, as it warns";
}

TEST_F(Floor, DataNamedInBytesThatAreNoUtf8IsEvaluated) {
  fs::copy(path("data"), path("bytes"), fs::copy_options::recursive);
  std::vector<fs::path> files;
  for (const char* kind : {"DCM", "outputs_json"})
    for (const auto& entry : fs::recursive_directory_iterator(path("bytes/train/" + std::string(kind))))
      if (entry.is_regular_file()) files.push_back(entry.path());
  for (const fs::path& file : files) fs::rename(file, file.parent_path() / ("\xff" + file.filename().string()));
  const Outcome outcome = osteon("evaluate " + path("run") + " --data " + path("bytes") + " --subset all --json");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_TRUE(json::accept(outcome.out));
}

TEST_F(Floor, ADamagedDescriptionOfARunIsRefused) {
  for (const std::string& text : {std::string("[]"), "{\"a\": 1e999, \"b\": " + std::string(100'000, '[') + "}"}) {
    fs::remove_all(path("damaged"));
    fs::copy(path("run"), path("damaged"), fs::copy_options::recursive);
    write_text(path("damaged/run.json"), text);
    const Outcome outcome = osteon("train --set train.epochs=1 --resume " + path("damaged"));
    EXPECT_THAT(outcome.exit_code, ::testing::AnyOf(2, 3)) << outcome.err;
    EXPECT_THAT(outcome.err, Not(HasSubstr("internal error"))) << outcome.err;
  }
}

// To go on with it would change nothing.
TEST_F(Floor, ARunThatIsDoneAndHasLostItsWeightsIsBegunAnew) {
  fs::copy(path("run"), path("lost"), fs::copy_options::recursive);
  fs::remove(path("lost/model.safetensors"));
  const Outcome outcome = osteon("predict " + path("lost") + " " + path("data/test/DCM") + " --out " + path("none"));
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_THAT(outcome.err, HasSubstr("its weights are gone; put the file back, or begin anew: osteon train " +
                                     path("lost/recipe.toml") + " --overwrite --out " + path("lost")));
  const Outcome anew = osteon("train " + path("lost/recipe.toml") + " --overwrite --out " + path("lost"));
  EXPECT_EQ(anew.exit_code, 0) << anew.err;
  EXPECT_TRUE(fs::exists(path("lost/model.safetensors")));
}

TEST_F(Floor, SaysThatProcHasToBeMounted) {
  if (std::system("unshare -m true 2>/dev/null") != 0) GTEST_SKIP() << "no mount namespaces here";
  const Outcome outcome =
      run_program(std::string("O=") + OSTEON_PROGRAM + " unshare -m sh -c 'umount -l /proc && $O plugins list'", "");
  EXPECT_EQ(outcome.exit_code, 5);
  EXPECT_THAT(outcome.err, HasSubstr("/proc has to be mounted"));
}

// --- libraries -------------------------------------------------------------------------------------------------------

TEST_F(Floor, PredictingWithAnotherLibraryThanARunWasMadeWithIsSaid) {
  const std::string image = first_file(path("data/test/DCM")).string();
  const auto predict = [&](const std::string& run, const std::string& more) {
    return osteon("predict " + path(run) + " " + image + " --json --out " + path("other_out") + more);
  };
  const Outcome same = predict("run", " --same-plugins");
  EXPECT_EQ(same.exit_code, 0) << same.err;
  EXPECT_EQ(json::parse(same.out).at("other_libraries"), json::array());

  fs::copy(path("run"), path("other"), fs::copy_options::recursive);
  json info = json::parse(slurp(path("run/run.json")));
  const std::string here = info.at("plugins").at(0).at("sha256"), made(64, 'a');
  info["plugins"][0]["version"] = "0.0.1";
  info["plugins"][0]["sha256"] = made;
  write_text(path("other/run.json"), info.dump());
  const Outcome said = predict("other", "");
  EXPECT_EQ(said.exit_code, 0) << said.err;
  for (const std::string& part : {std::string("model 'unet' is of version "), "(sha256:" + here + ") here",
                                  "made with version 0.0.1 (sha256:" + made + ")"})
    EXPECT_THAT(said.err, HasSubstr(part));
  EXPECT_EQ(json::parse(said.out).at("other_libraries").at(0).at("made_with").at("sha256"), made);
  const Outcome refused = predict("other", " --same-plugins");
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(json::parse(refused.out).at("error").at("message").get<std::string>(), HasSubstr(made));
  fs::remove(path("other/run.json"));
  EXPECT_EQ(predict("other", "").exit_code, 0);
  EXPECT_EQ(predict("other", " --same-plugins").exit_code, 2);
}

// --- words and texts -------------------------------------------------------------------------------------------------

TEST_F(Floor, AWordThatIsNoVerbIsNamed) {
  EXPECT_THAT(osteon("predikt RUN").err, HasSubstr("there is no verb 'predikt', did you mean 'predict'?"));
  EXPECT_THAT(osteon("plugins lst").err, HasSubstr("`plugins` has no verb 'lst', did you mean 'list'?"));
  EXPECT_THAT(osteon("--json predikt").out, HasSubstr("predikt"));
  EXPECT_THAT(osteon("").err, HasSubstr("a verb is missing; there are: plugins, "));
  EXPECT_THAT(osteon("xyzzy").err, Not(HasSubstr("did you mean")));
  EXPECT_THAT(osteon("scan-plugn").err, Not(HasSubstr("scan-plugin'"))) << "it is not for people";
  EXPECT_THAT(osteon("train r.toml --overwrit").err, HasSubstr("did you mean '--overwrite'?"));
  for (const char* line : {"foo --json", "--json foo", "plugins --json", "plugins lst --json", "predict --json",
                           "evaluate a b c --json"}) {
    const Outcome outcome = osteon(line);
    EXPECT_EQ(outcome.exit_code, 2) << line;
    ASSERT_TRUE(json::accept(outcome.out)) << line << outcome.out << outcome.err;
    EXPECT_EQ(json::parse(outcome.out).at("error").at("code"), 2) << line;
  }
  EXPECT_EQ(osteon("foo -- --json").out, "");
}

TEST_F(Floor, TextsOfOthersReachTheTerminalWithoutCommands) {
  const plugin::test::TemporaryFolder plugins;
  plugins.add("talks");
  plugins.write("\033[31mred\xc2\x9b.so", "no library");
  const std::string path_flag = " --plugin-path " + plugins.path().string();
  for (const std::string& verb : {"plugins list" + path_flag, "plugins describe constant" + path_flag,
                                  "train \"$(printf \"a\\\\033[31m\\\\302\\\\233\")\"" + path_flag,
                                  "evaluate \"$(printf \"a\\\\033[31m\\\\302\\\\233\")\"" + path_flag}) {
    const Outcome outcome = shell("$O " + verb);
    EXPECT_THAT(outcome.out + outcome.err, Not(HasSubstr("\033"))) << verb;
    EXPECT_THAT(outcome.out + outcome.err, Not(HasSubstr("\xc2\x9b"))) << verb;
    EXPECT_THAT(outcome.out + outcome.err, HasSubstr("?[31m")) << verb;
  }
}

TEST_F(Floor, ARefusedPluginIsFoundByItsName) {
  const plugin::test::TemporaryFolder plugins;
  plugins.add("absent_dependency");
  const std::string path_flag = " --plugin-path " + plugins.path().string();
  for (const char* name : {"constant", "absent_dependency"}) {
    const Outcome outcome = osteon("plugins describe " + std::string(name) + path_flag);
    EXPECT_EQ(outcome.exit_code, 4) << name;
    EXPECT_THAT(outcome.err, HasSubstr("the plugin is refused: cannot be loaded: libosteon_fixture_absent.so")) << name;
  }
  const Outcome checked = osteon("recipe check " + path("recipe.toml") + path_flag + " --set loss[0].plugin=constant");
  EXPECT_EQ(checked.exit_code, 2);
  EXPECT_THAT(checked.err, HasSubstr("absent_dependency.so is refused: cannot be loaded"));
}

}  // namespace
}  // namespace osteon::test
