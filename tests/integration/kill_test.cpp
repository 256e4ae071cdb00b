// SPDX-License-Identifier: Apache-2.0
// Training that is interrupted or killed at random instants ends as if nothing had happened.
#include <memory>
#include <random>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/file.hpp"
#include "support/program.hpp"
#include "weights/safetensors.hpp"

namespace osteon::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;
using Clock = std::chrono::steady_clock;

/// The program, started and still under way.
class Started {
 public:
  Started(std::vector<std::string> arguments, const fs::path& errors) : errors_(errors) {
    arguments.insert(arguments.begin(), OSTEON_PROGRAM);
    std::vector<char*> pointers;
    for (std::string& argument : arguments) pointers.push_back(argument.data());
    pointers.push_back(nullptr);
    pid_ = ::fork();
    if (pid_ != 0) return;
    const int file = ::open(errors_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0666);
    ::dup2(file, STDOUT_FILENO);
    ::dup2(file, STDERR_FILENO);
    ::execv(pointers[0], pointers.data());
    ::_exit(127);
  }
  ~Started() {
    if (!over_) ::kill(pid_, SIGKILL);
    wait();
  }
  Started(const Started&) = delete;
  Started& operator=(const Started&) = delete;

  void send(int signal) const {
    if (!over_) ::kill(pid_, signal);
  }
  bool is_over() {
    if (!over_ && ::waitpid(pid_, &status_, WNOHANG) == pid_) over_ = true;
    return over_;
  }
  /// Its exit code, 128 and more for signals.
  int wait() {
    if (!over_) ::waitpid(pid_, &status_, 0);
    over_ = true;
    return WIFEXITED(status_) ? WEXITSTATUS(status_) : 128 + WTERMSIG(status_);
  }
  std::string said() const { return slurp(errors_); }
  /// Until `ready` holds or the program is over; false then.
  bool wait_until(const std::function<bool()>& ready) {
    while (!ready()) {
      if (is_over()) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return true;
  }

 private:
  fs::path errors_;
  pid_t pid_ = -1;
  int status_ = 0;
  bool over_ = false;
};

/// A small data set and recipes for it.
class SmallTraining : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    ::setenv("OMP_NUM_THREADS", "1", 1);
    folder_ = new TemporaryFolder();
    ASSERT_EQ(run({"phantom", path("data"), "--patients", "4", "--test-patients", "1", "--size", "96"}), 0);
  }
  static void TearDownTestSuite() { delete folder_; }

  static std::string recipe(const std::string& losses) {
    return std::string("recipe = 1\nextends = \"") + OSTEON_SOURCE_DIR +
           "/configs/base/hand29.toml\"\n[data]\nroot = \"data\"\nimage_size = 64\nfolds = 2\nworkers = 1\n[model]\n"
           "plugin = \"unet\"\nencoder = \"resnet18\"\nwidth = 0.125\ndecoder_channels = [16, 16, 8, 8, 8]\n"
           "[[augment]]\nplugin = \"rotate\"\nlimit = 10\n" +
           losses + "[train]\nepochs = 6\nbatch_size = 2\nema = 0.5\n[train.optimizer]\nlr = 1e-3\n";
  }
  static std::string path(const std::string& name) { return (*folder_ / name).string(); }
  static int run(const std::vector<std::string>& arguments) { return Started(arguments, path("errors")).wait(); }
  static std::size_t sessions_of(const std::string& out) {
    const json info = json::parse(slurp(out + "/run.json"), nullptr, /*allow_exceptions=*/false);
    return info.is_object() ? info.at("sessions").size() : 0;
  }

  static TemporaryFolder* folder_;
};
TemporaryFolder* SmallTraining::folder_ = nullptr;

class Kill : public SmallTraining {
 protected:
  static void SetUpTestSuite() {
    SmallTraining::SetUpTestSuite();
    write_text(path("recipe.toml"), recipe("[[loss]]\nplugin = \"bce\"\n[[loss]]\nplugin = \"dice\"\n"));
    Started whole({"train", path("recipe.toml"), "--out", path("whole")}, path("errors"));
    ASSERT_TRUE(whole.wait_until([] { return sessions_of(path("whole")) == 1; })) << whole.said();
    const auto start = Clock::now();
    ASSERT_EQ(whole.wait(), 0) << whole.said();
    duration_ = std::chrono::duration<double>(Clock::now() - start).count();
  }

  /// What begins or goes on with the run in `out`, as a person would who sees what is there.
  static std::vector<std::string> command_for(const std::string& out) {
    if (fs::exists(out + "/recipe.toml")) return {"train", "--resume", out};
    return {"train", path("recipe.toml"), "--out", out};
  }

  /// Sends `count` signals, one to each process that works on the run, at random instants from the moment on that its
  /// session is written down. Those that end before are no matter.
  static void interrupt(const std::string& out, int signal, int count, std::mt19937& random) {
    std::uniform_real_distribution<double> instant(0, 0.3 * duration_);
    for (int i = 0; i < count; ++i) {
      const std::size_t sessions = sessions_of(out);
      Started training(command_for(out), path("errors"));
      if (training.wait_until([&] { return sessions_of(out) > sessions; }))
        std::this_thread::sleep_for(std::chrono::duration<double>(instant(random)));
      training.send(signal);
      const int code = training.wait();
      if (code == 0) {
        expect_as_whole(out);
        fs::remove_all(out);
        continue;
      }
      ASSERT_EQ(code, signal == SIGKILL ? 128 + SIGKILL : 130) << training.said();
      if (signal != SIGKILL) {
        ASSERT_TRUE(fs::exists(out + "/checkpoint.safetensors")) << training.said();
      }
    }
  }

  static void finish(const std::string& out) {
    ASSERT_EQ(run(command_for(out)), 0) << slurp(path("errors"));
    expect_as_whole(out);
  }

  static std::vector<json> metrics(const std::string& out) {
    std::vector<json> lines;
    std::istringstream text(slurp(out + "/metrics.jsonl"));
    for (std::string line; std::getline(text, line);) {
      lines.push_back(json::parse(line));
      lines.back().erase("seconds");
    }
    return lines;
  }

  static void expect_as_whole(const std::string& out) {
    EXPECT_EQ(sha256_file(out + "/model.safetensors"), sha256_file(path("whole/model.safetensors")));
    EXPECT_EQ(metrics(out), metrics(path("whole")));
    const json result = json::parse(slurp(out + "/run.json")), whole = json::parse(slurp(path("whole/run.json")));
    EXPECT_EQ(result.at("status"), "done");
    for (const char* key : {"epochs", "loss", "best_epoch", "validation_dice"})
      EXPECT_EQ(result.at("result").at(key), whole.at("result").at(key)) << key;
    for (const auto& entry : fs::directory_iterator(out))
      EXPECT_NE(entry.path().filename().string().front(), '.') << entry.path();
  }

  static double duration_;  ///< of the uninterrupted run's work, in seconds
};
double Kill::duration_ = 0;

TEST_F(Kill, EndsAsTheUninterruptedRunAfterFiveInterruptionsAndFiveKills) {
  std::mt19937 random(7);
  interrupt(path("run"), SIGINT, 5, random);
  interrupt(path("run"), SIGKILL, 5, random);
  finish(path("run"));
}

class LongKill : public Kill, public ::testing::WithParamInterface<int> {};
INSTANTIATE_TEST_SUITE_P(LongSeeds, LongKill, ::testing::Range(0, 20));

// Of each kind five on a run, in turn with the other.
TEST_P(LongKill, EndsAsTheUninterruptedRun) {
  std::mt19937 random(static_cast<unsigned>(100 + GetParam()));
  const std::string out = path("run" + std::to_string(GetParam()));
  for (int i = 0; i < 5; ++i) {
    interrupt(out, GetParam() % 2 == 0 ? SIGINT : SIGKILL, 1, random);
    interrupt(out, GetParam() % 2 == 0 ? SIGKILL : SIGTERM, 1, random);
  }
  finish(out);
}

/// Training whose loss does not return from the second batch.
class Endless : public SmallTraining {
 protected:
  void SetUp() override {
    fs::create_directories(path("plugins"));
    fs::copy_file(OSTEON_FIXTURE_PLUGINS "/unruly.so", path("plugins/unruly.so"), fs::copy_options::overwrite_existing);
    write_text(path("endless.toml"), recipe("[[loss]]\nplugin = \"endless\"\nvalue = 3\n"));
    training_ = std::make_unique<Started>(
        std::vector<std::string>{"train", path("endless.toml"), "--plugin-path", path("plugins"), "--out", out_},
        path("errors"));
    ASSERT_TRUE(says("asleep")) << training_->said();
    training_->send(SIGTERM);
    ASSERT_TRUE(says("stopping when loss 'endless', evaluate returns")) << training_->said();
  }
  void TearDown() override { fs::remove_all(out_); }
  bool says(const std::string& text) {
    return training_->wait_until([&] { return training_->said().find(text) != std::string::npos; });
  }

  std::string out_ = path("endless");
  std::unique_ptr<Started> training_;
};

TEST_F(Endless, EndsAtOnceAtASecondSignal) {
  training_->send(SIGINT);
  EXPECT_EQ(training_->wait(), 130);
  EXPECT_THAT(training_->said(), ::testing::Not(HasSubstr("does not return")));
}

// After 5 s, which is what the test takes.
using LongEndless = Endless;
TEST_F(LongEndless, EndsByItselfWithTheStepsThatWereTaken) {
  EXPECT_EQ(training_->wait(), 130);
  EXPECT_THAT(training_->said(), HasSubstr("loss 'endless', evaluate does not return"));
  EXPECT_THAT(training_->said(), HasSubstr("osteon train --resume " + out_));
  const weights::SafetensorsFile checkpoint(out_ + "/checkpoint.safetensors");
  EXPECT_EQ(json::parse(checkpoint.metadata().at("cursor")).at("steps"), 1);
}

}  // namespace
}  // namespace osteon::test
