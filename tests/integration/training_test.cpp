// SPDX-License-Identifier: Apache-2.0
// The whole road through the program on toy sizes: recipe -> training -> run folder -> evaluation -> prediction, in
// both kinds of labels and all layouts; interruption and resume; ensembles; broken data.
#include <algorithm>
#include <iterator>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "base/file.hpp"
#include "support/program.hpp"

namespace osteon::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;

Outcome osteon(const std::string& arguments) {
  return run_program(std::string("OMP_NUM_THREADS=1 ") + OSTEON_PROGRAM, arguments);
}

const char* const kSmallModel = R"(
[model]
plugin = "unet"
encoder = "resnet18"
width = 0.125
decoder_channels = [16, 16, 8, 8, 8]
prior = 0.02
)";

class Training : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new TemporaryFolder();
    const Outcome outcome = osteon("phantom " + path("data") + " --patients 6 --test-patients 1 --size 96");
    ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
    write_text(
        path("recipe.toml"),
        std::string("recipe = 1\nextends = \"") + OSTEON_SOURCE_DIR +
            "/configs/base/hand29.toml\"\n[data]\nroot = \"data\"\nimage_size = 64\nfolds = 3\n" + kSmallModel +
            "[[augment]]\nplugin = \"horizontal_flip\"\np = 0.5\n[[augment]]\nplugin = \"rotate\"\nlimit = 10\n"
            "[[loss]]\nplugin = \"bce\"\n[[loss]]\nplugin = \"dice\"\n[train]\nepochs = 3\nbatch_size = 4\nema = 0.5\n"
            "[train.optimizer]\nlr = 1e-3\n[[predict.post]]\nplugin = \"tta\"\n");
    const Outcome trained = osteon("train " + path("recipe.toml") + " --out " + path("run"));
    ASSERT_EQ(trained.exit_code, 0) << trained.err;
  }
  static void TearDownTestSuite() { delete folder_; }
  static std::string path(const std::string& name) { return (*folder_ / name).string(); }
  static TemporaryFolder* folder_;
};
TemporaryFolder* Training::folder_ = nullptr;

TEST_F(Training, LeavesARunThatHoldsEverything) {
  for (const char* file : {"recipe.toml", "run.json", "model.safetensors", "checkpoint.safetensors", "metrics.jsonl"})
    EXPECT_TRUE(fs::exists(fs::path(path("run")) / file)) << file;
  const json info = json::parse(slurp(path("run/run.json")));
  EXPECT_EQ(info.at("status"), "done");
  EXPECT_GE(info.at("plugins").size(), 5u);
  for (const json& plugin : info.at("plugins")) EXPECT_EQ(plugin.at("sha256").get<std::string>().size(), 64u);
  EXPECT_EQ(osteon("recipe check " + path("run/recipe.toml")).exit_code, 0);
}

TEST_F(Training, EvaluatesWithTheKeysThatScriptsRead) {
  const Outcome outcome = osteon("evaluate " + path("run") + " --subset test --json");
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const json result = json::parse(outcome.out);
  EXPECT_EQ(result.at("images"), 2);
  EXPECT_EQ(result.at("dice").at("per_class").size(), 29u);
  EXPECT_TRUE(result.at("dice").at("mean").is_number());
  EXPECT_TRUE(result.at("iou").at("mean").is_number());
}

TEST_F(Training, PredictsAnyImageAtItsOwnSize) {
  const fs::path inputs = path("inputs");
  fs::create_directories(inputs);
  cv::Mat grey(70, 55, CV_8U), colour(41, 90, CV_8UC3), deep(64, 64, CV_16U);
  cv::randu(grey, 0, 255);
  cv::randu(colour, 0, 255);
  cv::randu(deep, 0, 65535);
  cv::imwrite((inputs / "grey.png").string(), grey);
  cv::imwrite((inputs / "grey_too.jpg").string(), grey);
  cv::imwrite((inputs / "colour.jpg").string(), colour);
  cv::imwrite((inputs / "deep.png").string(), deep);
  const Outcome outcome = osteon("predict " + path("run") + " " + inputs.string() + " --out " + path("out") +
                                 " --format csv,png,overlay,probabilities --json");
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(json::parse(outcome.out).at("images").size(), 4u);
  EXPECT_EQ(cv::imread(path("out/masks/grey/Radius.png"), cv::IMREAD_UNCHANGED).size(), grey.size());
  EXPECT_EQ(cv::imread(path("out/masks/colour/Radius.png"), cv::IMREAD_UNCHANGED).size(), colour.size());
  EXPECT_EQ(cv::imread(path("out/masks/deep/finger-1.png"), cv::IMREAD_UNCHANGED).size(), deep.size());
  EXPECT_TRUE(fs::exists(path("out/overlays/grey_too.png")));
  EXPECT_TRUE(fs::exists(path("out/probabilities/deep.safetensors")));
  const std::string csv = slurp(path("out/submission.csv"));
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 1 + 4 * 29);
  EXPECT_THAT(csv, HasSubstr("image_name,class,rle\n"));
}

TEST_F(Training, PredictsInputsOfOneNameIntoFilesOfTheirOwn) {
  const cv::Mat grey(64, 64, CV_8U, cv::Scalar(90));
  const std::string longest(251, 'n');
  const std::string names[] = {"hand.png", "hand.jpg", "p1/foot.png", "p2/foot.png", longest + ".png", "bad\xff.png"};
  for (const std::string& name : names) {
    const std::string file = path("alike/" + name);
    fs::create_directories(fs::path(file).parent_path());
    cv::imwrite(file, grey);
  }
  const Outcome outcome = osteon("predict " + path("run") + " " + path("alike") + " --out " + path("alike/out") +
                                 " --format csv,png,overlay,probabilities --json");
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  std::set<std::string> images, files;
  const json result = json::parse(outcome.out);
  for (const json& image : result.at("images")) {
    images.insert(image.at("name").get<std::string>());
    for (const json& file : image.at("files")) files.insert(file.get<std::string>());
  }
  EXPECT_EQ(images.size(), std::size(names));
  EXPECT_EQ(files.size(), 3 * std::size(names));
  for (const char* name : {"hand.png", "hand.jpg", "p1_foot", "p2_foot", "bad\xff"})
    EXPECT_TRUE(fs::exists(path("alike/out/masks/") + name + "/Radius.png")) << name;
  EXPECT_EQ(std::distance(fs::directory_iterator(path("alike/out/overlays")), {}), 6);

  const Outcome again = osteon("predict " + path("run") + " " + path("alike") + " '" + path("alike") + "/*' --out " +
                               path("alike/out") + " --json");
  ASSERT_EQ(again.exit_code, 0) << again.err;
  EXPECT_EQ(json::parse(again.out).at("images").size(), std::size(names)) << "its own output became input";
}

TEST_F(Training, KeepsTheFiguresOfOtherImagesApart) {
  const std::string run = path("figures");
  fs::copy(path("run"), run, fs::copy_options::recursive);
  ASSERT_EQ(osteon("evaluate " + run).exit_code, 0);
  const std::string validation = slurp(run + "/evaluation.json"), table = slurp(run + "/evaluation.csv");
  std::set<std::string> written = {run + "/evaluation.json"};
  const std::vector<std::string> others = {" --subset test", " --subset test --data " + path("data"),
                                           " --set predict.threshold=0.9"};
  for (const std::string& flags : others) {
    const Outcome other = osteon("evaluate " + run + flags + " --json");
    ASSERT_EQ(other.exit_code, 0) << other.err;
    const json result = json::parse(other.out);
    const std::string file = result.at("files").at(0);
    EXPECT_TRUE(written.insert(file).second) << file << " was written over by" << flags;
    EXPECT_EQ(json::parse(slurp(file)).at("data"), path("data"));
    EXPECT_EQ(result.at("subset"), flags.find("test") != std::string::npos ? "test" : "validation");
  }
  EXPECT_EQ(slurp(run + "/evaluation.json"), validation);
  EXPECT_EQ(slurp(run + "/evaluation.csv"), table);
}

// Root may write everywhere, so that the program is run as somebody else.
TEST_F(Training, ShowsTheFiguresOfARunThatCannotBeWritten) {
  const std::string run = path("sealed"), cache = path("cache");
  fs::copy(path("run"), run, fs::copy_options::recursive);
  fs::create_directories(cache);
  fs::permissions(cache, fs::perms::all);
  fs::permissions(path(""), fs::perms::others_read | fs::perms::others_exec, fs::perm_options::add);
  fs::permissions(run, fs::perms::owner_write | fs::perms::group_write | fs::perms::others_write,
                  fs::perm_options::remove);
  std::string as = "OSTEON_CACHE_DIR=" + cache + " OMP_NUM_THREADS=1 ";
  if (::geteuid() == 0) as += "setpriv --reuid=65534 --regid=65534 --clear-groups ";
  if (run_program(as, "test -x " OSTEON_PROGRAM " -a -r " + run + "/recipe.toml").exit_code != 0)
    GTEST_SKIP() << "nobody else may read the program and the run";
  const Outcome outcome = run_program(as + OSTEON_PROGRAM, "evaluate " + run + " --subset test --json");
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_TRUE(json::parse(outcome.out).at("dice").at("mean").is_number());
  EXPECT_THAT(outcome.err, HasSubstr(run + ": the figures are not kept"));
  fs::permissions(run, fs::perms::owner_write, fs::perm_options::add);

  fs::remove(run + "/evaluation-test.json");
  fs::create_directory(run + "/evaluation-test.json");  // a file cannot be renamed over it
  const Outcome failed = osteon("evaluate " + run + " --subset test");
  EXPECT_EQ(failed.exit_code, 5);
  EXPECT_THAT(failed.out, HasSubstr("mean"));
  EXPECT_THAT(failed.err, HasSubstr("evaluation-test.json"));
}

TEST_F(Training, IsTheSameTwiceAndAcrossAnInterruption) {
  ASSERT_EQ(osteon("train " + path("recipe.toml") + " --out " + path("again") + " --set data.workers=0").exit_code, 0);
  EXPECT_EQ(sha256_file(path("again/model.safetensors")), sha256_file(path("run/model.safetensors")))
      << "workers changed the result";

  // Interrupted as soon as the first epoch has been written down, then resumed.
  const std::string run = path("interrupted");
  const Outcome outcome = run_interrupted(
      "env OMP_NUM_THREADS=1 " OSTEON_PROGRAM, "train " + path("recipe.toml") + " --out " + run,
      [&] { return !slurp(run + "/metrics.jsonl").empty(); }, [&] { fs::remove_all(run); });
  ASSERT_EQ(outcome.exit_code, 130) << outcome.err;
  EXPECT_EQ(json::parse(slurp(run + "/run.json")).at("status"), "interrupted");
  const Outcome resumed = osteon("train --resume " + run);
  ASSERT_EQ(resumed.exit_code, 0) << resumed.err;
  EXPECT_EQ(sha256_file(run + "/model.safetensors"), sha256_file(path("run/model.safetensors")))
      << "the interruption changed the result";
  const std::string log = slurp(run + "/metrics.jsonl");
  EXPECT_EQ(std::count(log.begin(), log.end(), '\n'), 3);
}

std::vector<std::string> files_of(const fs::path& folder) {
  std::vector<std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_regular_file()) files.push_back(entry.path().string() + " " + sha256_file(entry.path()));
  std::sort(files.begin(), files.end());
  return files;
}

TEST_F(Training, LeavesARunThatIsDoneAsItIs) {
  const auto before = files_of(path("run"));
  const Outcome outcome = osteon("train --resume " + path("run") + " --json");
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(json::parse(outcome.out).at("result"), json::parse(slurp(path("run/run.json"))).at("result"));
  EXPECT_EQ(files_of(path("run")), before);
}

TEST_F(Training, GoesOnWithAnotherRecipeOnlyWhereThatMayChange) {
  fs::copy(path("run"), path("longer"), fs::copy_options::recursive);
  const auto before = files_of(path("longer"));
  for (const char* change : {"model.width=0.25", "train.seed=3", "data.fold=1", "augment[0].p=0.1", "train.epochs=2"}) {
    const Outcome refused = osteon("train --resume " + path("longer") + " --set " + change);
    EXPECT_EQ(refused.exit_code, 2) << change << refused.err;
    EXPECT_THAT(refused.err, HasSubstr("longer"));
  }
  EXPECT_EQ(osteon("train --overwrite --resume " + path("longer")).exit_code, 2);
  EXPECT_EQ(files_of(path("longer")), before);
  const Outcome outcome = osteon("train --resume " + path("longer") +
                                 " --set train.epochs=4 --set train.batch_size=3 --set data.workers=0");
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(slurp(path("longer/recipe.toml")), HasSubstr("epochs = 4\n"));
  EXPECT_THAT(slurp(path("longer/recipe.toml")), HasSubstr("batch_size = 3\n"));
  const json info = json::parse(slurp(path("longer/run.json")));
  EXPECT_EQ(info.at("result").at("epochs"), 4);
  ASSERT_EQ(info.at("sessions").size(), 2u);
  EXPECT_EQ(info.at("sessions")[1].at("overrides"), json({"train.epochs=4", "train.batch_size=3", "data.workers=0"}));
  for (const json& session : info.at("sessions")) {
    EXPECT_EQ(session.at("status"), "done");
    EXPECT_EQ(session.at("threads"), 1);
    EXPECT_GE(session.at("plugins").size(), 5u);
    EXPECT_FALSE(session.at("ended").get<std::string>().empty());
  }
}

TEST_F(Training, BeginsAnewWhereARunEndedBeforeItsFirstCheckpoint) {
  const std::string run = path("early"),
                    command = "train " + path("recipe.toml") + " --set train.epochs=1 --out " + run;
  write_text(run + "/recipe.toml", "recipe = 1\nwhatever");
  write_text(run + "/run.json", R"({"status": "failed"})");
  write_text(run + "/.checkpoint.999999999.part.safetensors", "half");
  const Outcome anew = osteon(command);
  ASSERT_EQ(anew.exit_code, 0) << anew.err;
  EXPECT_FALSE(fs::exists(run + "/.checkpoint.999999999.part.safetensors"));
  // By --resume too, with the recipe that is there.
  for (const char* file : {"checkpoint.safetensors", "model.safetensors", "metrics.jsonl"})
    fs::remove(run + "/" + file);
  write_text(run + "/run.json", R"({"status": "running"})");
  const Outcome resumed = osteon("train --resume " + run);
  ASSERT_EQ(resumed.exit_code, 0) << resumed.err;
  EXPECT_EQ(json::parse(slurp(run + "/run.json")).at("status"), "done");
  EXPECT_EQ(osteon(command).exit_code, 2) << "now it is done";
  EXPECT_EQ(osteon("train --resume " + path("nowhere")).exit_code, 3);
}

TEST_F(Training, GoesOnWithFoldsWhereItStopped) {
  const std::string folds = path("folds");
  const std::string command = "train " + path("recipe.toml") + " --set train.epochs=2 --folds all --out " + folds;
  const Outcome outcome = run_interrupted(
      "env OMP_NUM_THREADS=1 " OSTEON_PROGRAM, command, [&] { return !slurp(folds + "/fold1/metrics.jsonl").empty(); },
      [&] { fs::remove_all(folds); });
  ASSERT_EQ(outcome.exit_code, 130) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("go on with: osteon train --resume " + folds + "\n"));
  const auto first = files_of(folds + "/fold0");
  EXPECT_EQ(osteon("train " + path("recipe.toml") + " --folds all --set model.width=0.25 --out " + folds).exit_code, 2);
  const Outcome resumed = osteon("train --resume " + folds + " --json");
  ASSERT_EQ(resumed.exit_code, 0) << resumed.err;
  EXPECT_EQ(json::parse(resumed.out).at("folds").size(), 3u);
  EXPECT_EQ(files_of(folds + "/fold0"), first);
  for (const char* fold : {"0", "1", "2"}) {
    EXPECT_EQ(json::parse(slurp(folds + "/fold" + fold + "/run.json")).at("status"), "done") << fold;
    EXPECT_THAT(slurp(folds + "/fold" + fold + "/recipe.toml"), HasSubstr(std::string("fold = ") + fold + "\n"));
  }
  const auto all = files_of(folds);
  const Outcome again = osteon(command);
  EXPECT_EQ(again.exit_code, 0) << again.err;
  EXPECT_EQ(files_of(folds), all);
}

// One after the other, so that each is of a validation image in some fold.
TEST_F(Training, FindsEveryBrokenAnnotationBeforeTheFirstStep) {
  fs::copy(path("data"), path("late"), fs::copy_options::recursive);
  std::vector<fs::path> annotations;
  for (const auto& entry : fs::recursive_directory_iterator(path("late/train/outputs_json")))
    if (entry.path().extension() == ".json") annotations.push_back(entry.path());
  std::sort(annotations.begin(), annotations.end());
  for (const std::size_t i : {std::size_t{0}, annotations.size() / 2, annotations.size() - 1}) {
    const std::string kept = slurp(annotations[i]);
    fs::resize_file(annotations[i], 200);
    const Outcome outcome =
        osteon("train " + path("recipe.toml") + " --set data.root=" + path("late") + " --out " + path("late_run"));
    EXPECT_EQ(outcome.exit_code, 3);
    EXPECT_THAT(outcome.err, HasSubstr(annotations[i].string()));
    EXPECT_FALSE(fs::exists(path("late_run"))) << "what is refused leaves nothing";
    write_text(annotations[i], kept);
  }
}

TEST_F(Training, NeverReplacesARunUnasked) {
  EXPECT_EQ(osteon("train " + path("recipe.toml") + " --out " + path("run")).exit_code, 2);
  fs::create_directories(path("somebodys"));
  write_text(path("somebodys/thesis.txt"), "text");
  EXPECT_EQ(osteon("train " + path("recipe.toml") + " --out " + path("somebodys") + " --overwrite").exit_code, 2);
  EXPECT_TRUE(fs::exists(path("somebodys/thesis.txt")));
}

TEST_F(Training, CombinesRunsIntoAnEnsemble) {
  write_text(path("ensemble.toml"),
             std::string("recipe = 1\nextends = \"") + OSTEON_SOURCE_DIR +
                 "/configs/base/hand29.toml\"\n[data]\nroot = \"data\"\nimage_size = 64\nfolds = 3\n"
                 "[ensemble]\nplugin = \"soft_voting\"\n[[ensemble.member]]\nrun = \"run\"\n[[ensemble.member]]\nrun = "
                 "\"run\"\n");
  const Outcome outcome = osteon("train " + path("ensemble.toml") + " --out " + path("both"));
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const Outcome both = osteon("evaluate " + path("both") + " --json"),
                one = osteon("evaluate " + path("run") + " --json");
  ASSERT_EQ(both.exit_code, 0) << both.err;
  // Twice the same member is that member.
  EXPECT_NEAR(json::parse(both.out).at("dice").at("mean").get<double>(),
              json::parse(one.out).at("dice").at("mean").get<double>(), 1e-3);
}

TEST_F(Training, StartsNothingThatDoesNotGoTogether) {
  // Found as the step runs, which it seldom does, and said with its name.
  const Outcome step =
      osteon("train " + path("recipe.toml") +
             " --set 'augment=[{plugin=\"grid_dropout\",p=0.001,holes_number_x=90,holes_number_y=90}]'" + " --out " +
             path("nothing"));
  EXPECT_THAT(step.exit_code, ::testing::AnyOf(2, 4)) << step.err;
  EXPECT_THAT(step.err, HasSubstr("grid_dropout"));
  EXPECT_FALSE(fs::exists(path("nothing"))) << "something was started";
  // Nor is an ensemble begun whose member is no run.
  write_text(path("misfits.toml"),
             std::string("recipe = 1\nextends = \"") + OSTEON_SOURCE_DIR +
                 "/configs/base/hand29.toml\"\n[data]\nroot = \"data\"\nimage_size = 64\nfolds = 3\n"
                 "[ensemble]\nplugin = \"soft_voting\"\n[[ensemble.member]]\nrun = \"nowhere\"\n");
  EXPECT_NE(osteon("train " + path("misfits.toml") + " --out " + path("nothing")).exit_code, 0);
  EXPECT_FALSE(fs::exists(path("nothing")));
}

TEST_F(Training, ValidatesWithTheModelAloneUnlessAskedForTheChain) {
  // A chain that leaves no class anything.
  const std::string train = "train " + path("recipe.toml") +
                            " --set train.epochs=1 --set predict.threshold=0.001 "
                            "--set 'predict.post=[{plugin=\"components\",min_area=1000000}]' --out ";
  const auto dice_of = [&](const std::string& run) {
    return json::parse(slurp(path(run + "/metrics.jsonl"))).at("dice").get<double>();
  };
  const Outcome alone = osteon(train + path("alone"));
  ASSERT_EQ(alone.exit_code, 0) << alone.err;
  const Outcome chain = osteon(train + path("chain") + " --set train.validate_with=chain");
  ASSERT_EQ(chain.exit_code, 0) << chain.err;
  const Outcome none =
      osteon("train " + path("recipe.toml") +
             " --set train.epochs=1 --set predict.threshold=0.001 --set predict.post=[] --out " + path("none"));
  ASSERT_EQ(none.exit_code, 0) << none.err;
  EXPECT_EQ(dice_of("alone"), dice_of("none"));
  EXPECT_NE(dice_of("chain"), dice_of("none"));
  EXPECT_EQ(json::parse(slurp(path("alone/run.json"))).at("validation"),
            json::parse(R"({"with": "model", "path": "plain"})"));
  EXPECT_EQ(json::parse(slurp(path("chain/run.json"))).at("validation").at("with"), "chain");
}

TEST_F(Training, RepeatsAPredictionToTheBitOnThePlainPath) {
  const auto predict = [&](const std::string& inputs, const std::string& out, const std::string& more) {
    const Outcome outcome =
        osteon("predict " + path("run") + " " + inputs + " --format probabilities --json --out " + path(out) + more);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    return json::parse(outcome.out);
  };
  // The last of many images and the same image alone.
  const std::string plain = " --set predict.path=plain";
  const json many = predict(path("data/train/DCM"), "many", plain);
  const json& last = many.at("images").back();
  const json alone = predict(last.at("input"), "single", plain);
  EXPECT_EQ(slurp(alone.at("images")[0].at("files").at("probabilities")), slurp(last.at("files").at("probabilities")));
  const json& inference = many.at("inference");
  EXPECT_EQ(inference.at("path"), "plain");
  EXPECT_EQ(inference.at("threads"), 1);
  ASSERT_EQ(inference.at("models").size(), 1u);
  EXPECT_EQ(inference.at("models")[0].at("who"), "model/unet");
  EXPECT_TRUE(inference.at("models")[0].at("plan").empty());

  const json chosen = predict(last.at("input"), "chosen", "").at("inference");
  EXPECT_EQ(chosen.at("path"), "auto");
  EXPECT_THAT(chosen.at("models")[0].at("plan").dump(), HasSubstr("float32"));
  EXPECT_THAT(chosen.at("models")[0].at("plan").dump(), ::testing::Not(HasSubstr("32, 32"))) << "the trial was planned";
  EXPECT_EQ(osteon("predict " + path("run") + " x.png --out y --set predict.path=graph").exit_code, 2);
}

TEST_F(Training, SaysAtOnceWhenSomethingIsBroken) {
  fs::copy(path("data"), path("broken"), fs::copy_options::recursive);
  fs::path victim;
  for (const auto& entry : fs::recursive_directory_iterator(path("broken/train/DCM")))
    if (entry.path().extension() == ".png") victim = std::max(victim, entry.path());
  fs::resize_file(victim, fs::file_size(victim) / 2);
  const std::string common =
      "train " + path("recipe.toml") + " --set train.epochs=1 --set data.root=" + path("broken") + " --out ";
  const Outcome fails = osteon(common + path("fails"));
  EXPECT_EQ(fails.exit_code, 3);
  EXPECT_THAT(fails.err, HasSubstr(victim.filename().string()));
  const Outcome skips = osteon(common + path("skips") + " --set data.on_broken=skip");
  EXPECT_EQ(skips.exit_code, 0) << skips.err;
  EXPECT_THAT(skips.err, HasSubstr(victim.filename().string()));
  EXPECT_EQ(json::parse(slurp(path("skips/run.json"))).at("skipped").size(), 1u);
}

// A label that is missing stops by default; said to be unknown, its class counts nowhere in that image.
TEST_F(Training, TakesAMissingLabelForWhatTheRecipeSays) {
  fs::copy(path("data"), path("partly"), fs::copy_options::recursive);
  std::vector<fs::path> annotations;
  for (const auto& entry : fs::recursive_directory_iterator(path("partly/train/outputs_json")))
    if (entry.path().extension() == ".json") annotations.push_back(entry.path());
  std::sort(annotations.begin(), annotations.end());
  for (std::size_t i = 0; i < annotations.size(); ++i) {
    json annotation = json::parse(slurp(annotations[i]));
    json kept = json::array();
    for (const json& each : annotation.at("annotations"))
      if (each.at("label") != "Ulna" && (i % 2 == 0 || each.at("label") != "Radius")) kept.push_back(each);
    annotation["annotations"] = kept;
    write_text(annotations[i], annotation.dump());
  }
  const std::string train =
      "train " + path("recipe.toml") + " --set train.epochs=1 --set data.root=" + path("partly") + " --out ";
  const Outcome strict = osteon(train + path("strict"));
  EXPECT_EQ(strict.exit_code, 3);
  EXPECT_THAT(strict.err, HasSubstr("has no entry for"));
  ASSERT_EQ(osteon(train + path("unknown") + " --set data.absent=unknown").exit_code, 0);
  const Outcome table = osteon("evaluate " + path("unknown") + " --subset all");
  ASSERT_EQ(table.exit_code, 0) << table.err;
  EXPECT_THAT(table.out, HasSubstr("over 6 images"));
  const json result = json::parse(osteon("evaluate " + path("unknown") + " --subset all --json").out);
  EXPECT_EQ(result.at("images"), 12);
  EXPECT_EQ(result.at("images_per_class").at("Radius"), 6);
  EXPECT_EQ(result.at("images_per_class").at("Ulna"), 0);
  EXPECT_TRUE(result.at("dice").at("per_class").at("Ulna").is_null());
  EXPECT_TRUE(result.at("dice").at("per_class").at("Radius").is_number());
  EXPECT_TRUE(result.at("dice").at("mean").is_number());
}

TEST_F(Training, WeighsImagesAsAFileSaysAndNamesItsMistakes) {
  std::string first;
  for (const auto& entry : fs::recursive_directory_iterator(path("data/train/DCM")))
    if (entry.path().extension() == ".png") first = std::max(first, entry.path().filename().string());
  write_text(path("weights.csv"), "image,weight\n" + first + ",0.5\n");
  const std::string train =
      "train " + path("recipe.toml") + " --set train.epochs=1 --set data.weights=" + path("weights.csv") + " --out ";
  const Outcome outcome = osteon(train + path("weighed"));
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(slurp(path("weighed/files/weights.csv")), slurp(path("weights.csv"))) << "a run keeps a copy";
  EXPECT_EQ(osteon("evaluate " + path("weighed") + " --subset test").exit_code, 0) << "weights are training's";
  write_text(path("weights.csv"), "image,weight\n" + first + ",heavy\n");
  const Outcome wrong = osteon(train + path("heavy"));
  EXPECT_EQ(wrong.exit_code, 3);
  EXPECT_THAT(wrong.err, HasSubstr(path("weights.csv") + ":2"));
}

TEST_F(Training, RefusesALossForAnOutputThatTheModelDoesNotHave) {
  const Outcome outcome =
      osteon("train " + path("recipe.toml") + " --set loss[0].output=presence --out " + path("no_output"));
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("loss[0].output names 'presence', but the model's outputs are: main"));
}

TEST_F(Training, StartsFromTheWeightsOfAnotherRun) {
  const Outcome outcome = osteon("train " + path("recipe.toml") +
                                 " --set train.epochs=1 --set train.optimizer.lr=0 --set train.ema=0 --set "
                                 "model.strict=true --set model.weights=" +
                                 path("run/model.safetensors") + " --out " + path("warm"));
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const Outcome other =
      osteon("train " + path("recipe.toml") +
             " --set train.epochs=1 --set model.strict=true --set model.width=0.25 --set model.weights=" +
             path("run/model.safetensors") + " --out " + path("misfit"));
  EXPECT_EQ(other.exit_code, 3);
}

// With no epochs a run is the model as it begins; no data is looked at, and no loss is needed.
TEST_F(Training, KeepsTheModelAsItBeginsAndTheFilesThatItsRecipeNames) {
  fs::copy_file(path("run/model.safetensors"), path("start.safetensors"));
  write_text(path("keep.toml"), std::string("recipe = 1\nextends = \"") + OSTEON_SOURCE_DIR +
                                    "/configs/base/hand29.toml\"\n[data]\nroot = \"nowhere\"\nimage_size = 64\n" +
                                    kSmallModel +
                                    "weights = \"start.safetensors\"\nstrict = true\n[train]\nepochs = 0\n");
  const Outcome outcome = osteon("train " + path("keep.toml") + " --out " + path("keep"));
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(json::parse(slurp(path("keep/run.json"))).at("status"), "done");
  EXPECT_EQ(sha256_file(path("keep/files/start.safetensors")), sha256_file(path("run/model.safetensors")));

  fs::remove(path("start.safetensors"));
  fs::rename(path("keep"), path("kept"));
  const std::string images = path("data/test/DCM");
  const Outcome kept =
      osteon("predict " + path("kept") + " " + images + " --out " + path("kept_masks") + " --format csv");
  ASSERT_EQ(kept.exit_code, 0) << kept.err;
  const Outcome run = osteon("predict " + path("run") + " " + images + " --out " + path("run_masks") +
                             " --format csv --set 'predict.post=[]'");
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_EQ(slurp(path("kept_masks/submission.csv")), slurp(path("run_masks/submission.csv")));

  EXPECT_EQ(osteon("train --resume " + path("kept")).exit_code, 2);
  const Outcome again = osteon("train " + path("kept/recipe.toml") + " --out " + path("kept") + " --overwrite");
  EXPECT_EQ(again.exit_code, 0) << again.err;
  EXPECT_TRUE(fs::exists(path("kept/files/start.safetensors")));
}

// One class per pixel: class-index PNGs, softmax and arg max.
TEST_F(Training, TrainsOnClassIndexImages) {
  for (int i = 0; i < 8; ++i) {
    cv::Mat image(48, 48, CV_8U, cv::Scalar(30)), index(48, 48, CV_8U, cv::Scalar(0));
    cv::circle(image, {12 + 3 * i, 20}, 8, cv::Scalar(140), cv::FILLED);
    cv::circle(index, {12 + 3 * i, 20}, 8, cv::Scalar(1), cv::FILLED);
    cv::rectangle(image, {8, 34, 20, 8}, cv::Scalar(240), cv::FILLED);
    cv::rectangle(index, {8, 34, 20, 8}, cv::Scalar(2), cv::FILLED);
    const std::string name = "case" + std::to_string(i);
    for (const char* part : {"images", "masks"}) fs::create_directories(path("index/") + part);
    cv::imwrite(path("index/images/" + name + ".png"), image);
    cv::imwrite(path("index/masks/" + name + ".png"), index);
  }
  write_text(path("index.toml"),
             std::string("recipe = 1\n[data]\nlayout = \"index_png\"\nkind = \"multiclass\"\nroot = \"index\"\nclasses "
                         "= [\"background\", \"disc\", \"bar\"]\n"
                         "image_size = [64, 96]\nchannels = 1\nfolds = 4\n") +
                 kSmallModel +
                 "[[loss]]\nplugin = \"cross_entropy\"\n[[loss]]\nplugin = \"dice\"\n[train]\nepochs = 25\nbatch_size "
                 "= 3\nvalidate_every = 0\n[train.optimizer]\nlr = 5e-3\n");
  const Outcome trained = osteon("train " + path("index.toml") + " --out " + path("index_run") + " --json");
  ASSERT_EQ(trained.exit_code, 0) << trained.err;
  EXPECT_GT(json::parse(trained.out).at("result").at("validation_dice").get<double>(), 0.8);
  ASSERT_EQ(
      osteon("predict " + path("index_run") + " " + path("index/images") + " --out " + path("index_out")).exit_code, 0);
  const cv::Mat mask = cv::imread(path("index_out/masks/case0.png"), cv::IMREAD_UNCHANGED);
  EXPECT_EQ(mask.size(), cv::Size(48, 48));
  double greatest = 0;
  cv::minMaxLoc(mask, nullptr, &greatest);
  EXPECT_LE(greatest, 2);

  // Beside an image of which no pixel counts.
  for (const std::string part : {"images", "masks"}) {
    fs::create_directories(path("ignored/test/" + part));
    fs::copy(path("index/" + part + "/case0.png"), path("ignored/test/" + part + "/case0.png"));
  }
  const std::string evaluate = "evaluate " + path("index_run") + " --data " + path("ignored") + " --subset test --json";
  const json alone = json::parse(osteon(evaluate).out);
  fs::copy(path("index/images/case1.png"), path("ignored/test/images/x.png"));
  cv::imwrite(path("ignored/test/masks/x.png"), cv::Mat(48, 48, CV_8U, cv::Scalar(255)));
  const Outcome both = osteon(evaluate);
  ASSERT_EQ(both.exit_code, 0) << both.err;
  const json result = json::parse(both.out);
  EXPECT_EQ(result.at("dice"), alone.at("dice")) << "nothing was right or wrong in it";
  EXPECT_EQ(result.at("left_out"), json({"x.png"}));
  EXPECT_THAT(both.err, HasSubstr("x.png"));
  EXPECT_TRUE(result.at("pooled").at("iou").at("mean").is_number());
}

// One PNG per class, more than 32 classes, overlapping.
TEST_F(Training, TrainsOnFortyOverlappingClasses) {
  std::string names;
  for (int c = 0; c < 40; ++c) names += (c ? ", \"c" : "\"c") + std::to_string(c) + "\"";
  for (int i = 0; i < 4; ++i) {
    cv::Mat image(40, 40, CV_8U, cv::Scalar(30 * i));
    fs::create_directories(path("many/images"));
    cv::imwrite(path("many/images/n" + std::to_string(i) + ".png"), image);
    for (int c = 0; c < 40; ++c) {
      cv::Mat mask(40, 40, CV_8U, cv::Scalar(0));
      mask.row(c) = 255;
      mask.row((c + 1) % 40) = 255;
      fs::create_directories(path("many/masks/c" + std::to_string(c)));
      cv::imwrite(path("many/masks/c" + std::to_string(c) + "/n" + std::to_string(i) + ".png"), mask);
    }
  }
  write_text(path("many.toml"), "recipe = 1\n[data]\nlayout = \"class_png\"\nroot = \"many\"\nclasses = [" + names +
                                    "]\nimage_size = 40\nfolds = 2\n" + std::string(kSmallModel) +
                                    "[[augment]]\nplugin = \"horizontal_flip\"\n[[loss]]\nplugin = "
                                    "\"bce\"\n[[loss]]\nplugin = \"dice\"\n[train]\nepochs = 1\nbatch_size = 2\n");
  const Outcome outcome = osteon("train " + path("many.toml") + " --out " + path("many_run"));
  // 40 is no multiple of the network's 32: the training view has to be one.
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("64"));
  const Outcome fits =
      osteon("train " + path("many.toml") + " --out " + path("many_run") + " --set data.image_size=64");
  ASSERT_EQ(fits.exit_code, 0) << fits.err;
  EXPECT_EQ(json::parse(osteon("evaluate " + path("many_run") + " --json").out).at("dice").at("per_class").size(), 40u);
}

}  // namespace
}  // namespace osteon::test
