// SPDX-License-Identifier: Apache-2.0
#include "base/child.hpp"

#include <csignal>
#include <cstdio>

#include <gmock/gmock.h>
#include <unistd.h>

#include "base/error.hpp"

namespace osteon {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;
using testing::StartsWith;

constexpr milliseconds kLong{60'000};  // never waited for

TEST(RunCopy, SharesWhatThereIsAndGivesBackWhatItSays) {
  int value = 1;
  const ChildOutcome outcome = run_copy(
      [&] {
        value = 2;
        std::fprintf(stdout, "printed %d", value);
        std::fprintf(stderr, "complained");
        answer_parent("answered");
        return 0;
      },
      kLong);
  EXPECT_TRUE(outcome.ended_well()) << outcome.trouble();
  EXPECT_EQ(outcome.out, "printed 2");
  EXPECT_EQ(outcome.err, "complained");
  EXPECT_EQ(outcome.answer, "answered");
  EXPECT_EQ(value, 1) << "it is a copy's";
}

TEST(RunCopy, SaysHowItEnded) {
  EXPECT_EQ(run_copy([] { return 3; }, kLong).trouble(), "ended with exit code 3");
  EXPECT_THAT(run_copy([] { return std::raise(SIGABRT); }, kLong).trouble(), StartsWith("crashed: "));
  const ChildOutcome late = run_copy([] { return ::pause(); }, milliseconds(50));
  EXPECT_TRUE(late.timed_out);
  EXPECT_THAT(late.trouble(), HasSubstr("did not finish within 0.05 s"));
}

TEST(RunCopy, EndsWithWhatItStarted) {
  const ChildOutcome outcome = run_copy(
      [] {
        const pid_t left = ::fork();
        if (left == 0) {
          ::pause();
          ::_exit(0);
        }
        answer_parent(std::to_string(left));
        return 0;
      },
      kLong);
  // It was sent SIGKILL; that it is gone, or a corpse that nobody has buried yet, is the kernel's business.
  const pid_t left = std::stoi(outcome.answer);
  for (int i = 0; i < 1000 && ::kill(left, 0) == 0; ++i) {
    std::FILE* status = std::fopen(("/proc/" + outcome.answer + "/stat").c_str(), "r");
    int pid = 0;
    char name[64], state = 'Z';
    if (status != nullptr) {
      if (std::fscanf(status, "%d %63s %c", &pid, name, &state) != 3) state = 'Z';
      std::fclose(status);
    }
    if (state == 'Z') return;
    ::usleep(10'000);
  }
  EXPECT_NE(::kill(left, 0), 0);
}

TEST(RunCopy, EndsWhenItIsStopped) {
  const std::atomic<bool> stop{true};
  EXPECT_THROW(run_copy([] { return ::pause(); }, kLong, &stop), Interrupted);
}

std::vector<std::string> shell(const std::string& script) { return {"/bin/sh", "-c", script}; }

TEST(ChildSession, AnswersLineByLine) {
  ChildSession session(shell("echo noise; while read line; do echo \"heard $line\" >&3; done"));
  EXPECT_EQ(session.ask("one", kLong), "heard one");
  EXPECT_EQ(session.ask("two", kLong), "heard two");
}

TEST(ChildSession, SaysThatItHasEnded) {
  ChildSession session(shell("read line; echo last >&3"));
  EXPECT_EQ(session.ask("one", kLong), "last");
  EXPECT_EQ(session.ask("two", kLong), std::nullopt);
  EXPECT_EQ(session.ask("three", kLong), std::nullopt);
}

TEST(ChildSession, AnswersNoMoreAfterItsLimit) {
  ChildSession session(shell("while read line; do sleep 1000; done"));
  EXPECT_EQ(session.ask("one", milliseconds(50)), std::nullopt);
  EXPECT_EQ(session.ask("two", kLong), std::nullopt);
}

TEST(ChildSession, EndsWhenItIsStopped) {
  const std::atomic<bool> stop{true};
  ChildSession session(shell("while read line; do sleep 1000; done"));
  EXPECT_THROW(session.ask("one", kLong, &stop), Interrupted);
}

TEST(ChildSession, ThatCannotBeStartedIsAnError) { EXPECT_THROW(ChildSession({"/nowhere/at/all"}), Error); }

}  // namespace
}  // namespace osteon
