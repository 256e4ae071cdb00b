// SPDX-License-Identifier: Apache-2.0
#include "base/child.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.hpp"

extern char** environ;

namespace osteon {
namespace {

using Clock = std::chrono::steady_clock;

// The numbers on which a child writes.
constexpr int kTargets[] = {STDOUT_FILENO, STDERR_FILENO, kAnswerDescriptor};

/// One end of a pipe or a socket, closed in children that are exec'ed. Its number is above those that children know
/// their ends by, so that none of these is overwritten before it has been handed on.
class End {
 public:
  End() = default;
  /// Takes `descriptor` over.
  explicit End(int descriptor) : number_(::fcntl(descriptor, F_DUPFD_CLOEXEC, kAnswerDescriptor + 1)) {
    const int failure = errno;
    ::close(descriptor);
    if (number_ < 0)
      throw Error(ExitCode::kResources, std::string("no pipe to a child process: ") + std::strerror(failure));
  }
  End(End&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  End& operator=(End&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~End() { close(); }
  int number() const { return number_; }
  int release() { return std::exchange(number_, -1); }
  void close() {
    if (number_ >= 0) ::close(number_);
    number_ = -1;
  }

 private:
  int number_ = -1;
};

/// Both ends of what `make` opened.
std::pair<End, End> two_ends(const char* what, const std::function<int(int (&ends)[2])>& make) {
  int ends[2];
  if (make(ends) != 0)
    throw Error(ExitCode::kResources, std::string("no ") + what + " to a child process: " + std::strerror(errno));
  std::pair<End, End> both;
  try {
    both.first = End(ends[0]);
  } catch (...) {
    ::close(ends[1]);
    throw;
  }
  both.second = End(ends[1]);
  return both;
}

class Pipe {
 public:
  Pipe() : ends_(two_ends("pipe", [](int (&ends)[2]) { return ::pipe2(ends, O_CLOEXEC); })) {
    ::fcntl(ends_.first.number(), F_SETFL, O_NONBLOCK);
  }
  int read_end() const { return ends_.first.number(); }
  int write_end() const { return ends_.second.number(); }
  void close_write() { ends_.second.close(); }

 private:
  std::pair<End, End> ends_;
};

class SpawnSettings {
 public:
  SpawnSettings() {
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    // A group of its own, so that what it starts can be ended with it.
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    posix_spawnattr_setpgroup(&attributes, 0);
  }
  ~SpawnSettings() {
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
  }
  SpawnSettings(const SpawnSettings&) = delete;
  SpawnSettings& operator=(const SpawnSettings&) = delete;
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
};

void spawn(pid_t& child, const std::vector<std::string>& arguments, const SpawnSettings& settings) {
  std::vector<char*> raw;
  for (const std::string& argument : arguments) raw.push_back(const_cast<char*>(argument.c_str()));
  raw.push_back(nullptr);
  const int failure = ::posix_spawn(&child, raw[0], &settings.actions, &settings.attributes, raw.data(), environ);
  if (failure != 0)
    throw Error(ExitCode::kResources, std::string("cannot start a child process: ") + std::strerror(failure),
                arguments[0]);
}

// The pipes of a child, and the texts that they go to.
struct Streams {
  std::array<Pipe, 3> pipes;
  std::array<std::string*, 3> texts;

  // Reads what there is, waiting at most `patience` for more. False when all are closed.
  bool read_some(std::chrono::milliseconds patience) {
    std::array<pollfd, 3> waiting{};
    bool open = false;
    for (std::size_t i = 0; i < 3; ++i) {
      waiting[i] = {closed[i] ? -1 : pipes[i].read_end(), POLLIN, 0};
      open = open || !closed[i];
    }
    if (!open) return false;
    if (::poll(waiting.data(), waiting.size(), static_cast<int>(patience.count())) <= 0) return true;
    for (std::size_t i = 0; i < 3; ++i) {
      if (waiting[i].revents == 0) continue;
      char buffer[65536];
      const ssize_t n = ::read(pipes[i].read_end(), buffer, sizeof buffer);
      // What is printed beyond 1 MiB is nobody's interest.
      if (n > 0 && texts[i]->size() < (std::size_t{1} << 20)) texts[i]->append(buffer, static_cast<std::size_t>(n));
      closed[i] = n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN);
    }
    return true;
  }
  std::array<bool, 3> closed{};
};

// Reads what a child writes until it ends or has to; it leads a group of processes.
void see_to_its_end(pid_t child, Streams& streams, std::chrono::milliseconds limit, const std::atomic<bool>* stop,
                    ChildOutcome& outcome) {
  for (Pipe& pipe : streams.pipes) pipe.close_write();
  const Clock::time_point end = Clock::now() + limit;
  bool ended = false;
  while (!ended) {
    // A child may close its pipes and live on; one that ended may have left them open in what it started.
    if (!streams.read_some(std::chrono::milliseconds(20))) ::usleep(1000);
    const pid_t waited = ::waitpid(child, &outcome.status, WNOHANG);
    ended = waited == child || (waited < 0 && errno != EINTR);
    const bool stopped = stop != nullptr && stop->load();
    if (!ended && (stopped || Clock::now() >= end)) {
      outcome.timed_out = !stopped;
      ::kill(-child, SIGKILL);
      while (::waitpid(child, &outcome.status, 0) < 0 && errno == EINTR) {
      }
      ended = true;
    }
  }
  ::kill(-child, SIGKILL);  // whatever it left behind
  if (stop != nullptr && stop->load()) throw Interrupted();
  while (streams.read_some(std::chrono::milliseconds(0)) && Clock::now() < end) {
    bool more = false;
    for (std::size_t i = 0; i < 3; ++i) {
      pollfd waiting{streams.pipes[i].read_end(), POLLIN, 0};
      more = more || (!streams.closed[i] && ::poll(&waiting, 1, 0) > 0);
    }
    if (!more) break;
  }
}

bool write_all(int descriptor, const std::string& text) {
  std::size_t written = 0;
  while (written < text.size()) {
    const ssize_t n = ::write(descriptor, text.data() + written, text.size() - written);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    written += static_cast<std::size_t>(n);
  }
  return true;
}

}  // namespace

bool ChildOutcome::ended_well() const noexcept { return !timed_out && WIFEXITED(status) && WEXITSTATUS(status) == 0; }

std::string ChildOutcome::trouble() const {
  if (ended_well()) return "";
  if (timed_out) {
    const double seconds = std::chrono::duration<double>(limit).count();
    std::string text = std::to_string(seconds);
    text.erase(text.find_last_not_of('0') + 1);
    if (text.back() == '.') text.pop_back();
    return "did not finish within " + text + " s";
  }
  const std::string said = last_line(err);
  return (WIFSIGNALED(status) ? std::string("crashed: ") + ::strsignal(WTERMSIG(status))
                              : "ended with exit code " + std::to_string(WEXITSTATUS(status))) +
         (said.empty() ? "" : ": " + said);
}

ChildOutcome run_child(const std::vector<std::string>& arguments, std::chrono::milliseconds limit,
                       const std::atomic<bool>* stop) {
  ChildOutcome outcome;
  outcome.limit = limit;
  Streams streams{{}, {&outcome.out, &outcome.err, &outcome.answer}};
  SpawnSettings settings;
  posix_spawn_file_actions_addopen(&settings.actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  for (std::size_t i = 0; i < 3; ++i)
    posix_spawn_file_actions_adddup2(&settings.actions, streams.pipes[i].write_end(), kTargets[i]);
  pid_t child = 0;
  spawn(child, arguments, settings);
  see_to_its_end(child, streams, limit, stop, outcome);
  return outcome;
}

ChildOutcome run_copy(const std::function<int()>& body, std::chrono::milliseconds limit,
                      const std::atomic<bool>* stop) {
  ChildOutcome outcome;
  outcome.limit = limit;
  Streams streams{{}, {&outcome.out, &outcome.err, &outcome.answer}};
  std::fflush(nullptr);  // what waits to be written is written once
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child < 0)
    throw Error(ExitCode::kResources, std::string("this process cannot be copied: ") + std::strerror(errno));
  if (child == 0) {
    ::setpgid(0, 0);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(1);
    ::close(STDIN_FILENO);
    if (::open("/dev/null", O_RDONLY) != STDIN_FILENO) ::_exit(1);
    for (std::size_t i = 0; i < 3; ++i) {
      if (::dup2(streams.pipes[i].write_end(), kTargets[i]) < 0) ::_exit(1);
      streams.pipes[i].close_write();
    }
    std::exit(body());  // as a program ends, so that what its libraries do then is seen
  }
  ::setpgid(child, child);  // whoever comes first
  see_to_its_end(child, streams, limit, stop, outcome);
  return outcome;
}

ChildSession::ChildSession(const std::vector<std::string>& arguments) {
  auto [ours, its] =
      two_ends("socket", [](int(&ends)[2]) { return ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends); });
  SpawnSettings settings;
  for (const int end : {STDIN_FILENO, kAnswerDescriptor})
    posix_spawn_file_actions_adddup2(&settings.actions, its.number(), end);
  for (const int printed : {STDOUT_FILENO, STDERR_FILENO})
    posix_spawn_file_actions_addopen(&settings.actions, printed, "/dev/null", O_WRONLY, 0);
  spawn(child_, arguments, settings);
  socket_ = ours.release();
}

ChildSession::~ChildSession() {
  ::shutdown(socket_, SHUT_RDWR);
  bool ended = false;
  for (int i = 0; i < 200 && !ended; ++i) {
    ended = ::waitpid(child_, nullptr, WNOHANG) != 0;
    if (!ended) ::usleep(10'000);
  }
  ::kill(-child_, SIGKILL);
  while (!ended && ::waitpid(child_, nullptr, 0) < 0 && errno == EINTR) {
  }
  ::close(socket_);
}

std::optional<std::string> ChildSession::ask(const std::string& line, std::chrono::milliseconds limit,
                                             const std::atomic<bool>* stop) {
  const std::string question = line + "\n";
  // A line fits the socket's buffer; who has ended gets no signal for it.
  if (over_ || ::send(socket_, question.data(), question.size(), MSG_NOSIGNAL) < 0) return std::nullopt;
  const Clock::time_point end = Clock::now() + limit;
  std::size_t newline = 0;
  while ((newline = read_.find('\n')) == std::string::npos) {
    const bool stopped = stop != nullptr && stop->load();
    over_ = stopped || Clock::now() >= end;
    if (over_) ::kill(-child_, SIGTERM);
    if (stopped) throw Interrupted();
    if (over_) return std::nullopt;
    pollfd waiting{socket_, POLLIN, 0};
    if (::poll(&waiting, 1, 50) <= 0) continue;
    char buffer[65536];
    const ssize_t n = ::read(socket_, buffer, sizeof buffer);
    if (n > 0) read_.append(buffer, static_cast<std::size_t>(n));
    over_ = n == 0 || (n < 0 && errno != EINTR);
    if (over_) return std::nullopt;
  }
  std::string answer = read_.substr(0, newline);
  read_.erase(0, newline + 1);
  return answer;
}

void answer_parent(const std::string& text) {
  const bool listens = ::fcntl(kAnswerDescriptor, F_GETFD) >= 0;
  if (!write_all(listens ? kAnswerDescriptor : STDOUT_FILENO, text))
    throw Error(ExitCode::kResources, std::string("the parent does not listen: ") + std::strerror(errno));
}

std::string last_line(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  const std::size_t start = text.rfind('\n');
  return start == std::string::npos ? text : text.substr(start + 1);
}

}  // namespace osteon
