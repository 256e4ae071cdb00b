// SPDX-License-Identifier: Apache-2.0
#include "base/child.hpp"

#include <csignal>
#include <cstdio>

#include <gmock/gmock.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/error.hpp"

namespace osteon {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;
using testing::StartsWith;

constexpr milliseconds kLong{60'000};  // never waited for

std::vector<std::string> shell(const std::string& script) { return {"/bin/sh", "-c", script}; }

/// Holds descriptors open until the lowest free one is `lowest`.
class OpenDescriptors {
 public:
  explicit OpenDescriptors(int lowest) {
    for (int next = ::dup(STDIN_FILENO); next >= 0; next = ::dup(STDIN_FILENO)) {
      if (next >= lowest) {
        ::close(next);
        return;
      }
      held_.push_back(next);
    }
  }
  ~OpenDescriptors() {
    for (const int each : held_) ::close(each);
  }
  OpenDescriptors(const OpenDescriptors&) = delete;
  OpenDescriptors& operator=(const OpenDescriptors&) = delete;

 private:
  std::vector<int> held_;
};

constexpr char kSays[] = "echo printed; echo complained >&2; echo answered >&3";

void expect_said(const ChildOutcome& outcome) {
  EXPECT_TRUE(outcome.ended_well()) << outcome.trouble();
  EXPECT_EQ(outcome.out, "printed\n");
  EXPECT_EQ(outcome.err, "complained\n");
  EXPECT_EQ(outcome.answer, "answered\n");
}

// Whatever numbers are taken, the ends of a child's pipes are none of them.
TEST(Children, WorkWithAnyNumberOfOpenDescriptors) {
  for (int lowest = 4; lowest < 260; lowest += lowest < 190 || lowest > 210 ? 37 : 1) {
    SCOPED_TRACE(lowest);
    const OpenDescriptors held(lowest);
    expect_said(run_child(shell(kSays), kLong));
    expect_said(run_copy(
        [] {
          std::puts("printed");
          std::fputs("complained\n", stderr);
          answer_parent("answered\n");
          return 0;
        },
        kLong));
    ChildSession session(shell("while read line; do echo \"heard $line\" >&3; done"));
    EXPECT_EQ(session.ask("one", kLong), "heard one");
  }
}

TEST(Children, WorkWhereFewDescriptorsAreAllowedAndTheStandardOnesAreClosed) {
  const ChildOutcome outcome = run_copy(
      [] {
        const rlimit few{32, 32};
        ::setrlimit(RLIMIT_NOFILE, &few);
        for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::close(standard);
        const ChildOutcome inner = run_child(shell(kSays), kLong);
        ChildSession session(shell("while read line; do echo \"heard $line\" >&3; done"));
        answer_parent(inner.out + inner.err + inner.answer + session.ask("one", kLong).value_or("nothing"));
        return 0;
      },
      kLong);
  EXPECT_EQ(outcome.answer, "printed\ncomplained\nanswered\nheard one") << outcome.trouble();
}

TEST(Children, LeaveNothingOpenBehind) {
  const auto lowest = [] {
    const int next = ::dup(STDIN_FILENO);
    ::close(next);
    return next;
  };
  const int before = lowest();
  run_child(shell(kSays), kLong);
  { ChildSession session(shell("read line")); }
  EXPECT_THROW(run_child({"/nowhere/at/all"}, kLong), Error);
  EXPECT_THROW(ChildSession({"/nowhere/at/all"}), Error);
  EXPECT_EQ(lowest(), before);
}

TEST(Children, ThatFindNoDescriptorAreAnErrorOfTheMachine) {
  const ChildOutcome outcome = run_copy(
      [] {
        rlimit none{};
        ::getrlimit(RLIMIT_NOFILE, &none);
        none.rlim_cur = 6;
        ::setrlimit(RLIMIT_NOFILE, &none);
        try {
          run_child(shell(kSays), kLong);
        } catch (const Error& e) {
          answer_parent(e.what());
          return static_cast<int>(e.code());
        }
        return 0;
      },
      kLong);
  EXPECT_EQ(outcome.answer, "no pipe to a child process: Too many open files");
  EXPECT_EQ(outcome.trouble(), "ended with exit code 5");
}

TEST(Children, ThatCrashAreReportedWithWhatTheySaidLast) {
  const ChildOutcome outcome = run_child(shell("echo 'no licence' >&2; kill -SEGV $$"), kLong);
  EXPECT_EQ(outcome.trouble(), "crashed: Segmentation fault: no licence");
}

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
