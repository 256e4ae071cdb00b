// SPDX-License-Identifier: Apache-2.0
#include "plugin/scan.hpp"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <thread>

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.hpp"
#include "plugin/descriptor.hpp"
#include "plugin/elf.hpp"
#include "plugin/library.hpp"
#include "plugin/registry.hpp"
#include "plugin/schema_json.hpp"

extern char** environ;

namespace osteon::plugin {
namespace {

using Clock = std::chrono::steady_clock;

// What a child wrote and how it ended.
struct ChildOutcome {
  std::string out;
  std::string err;
  int status = 0;
  bool timed_out = false;
};

class Pipe {
 public:
  Pipe() {
    if (::pipe2(ends_, O_CLOEXEC) != 0)
      throw Error(ExitCode::kResources, std::string("no pipe to a child process: ") + std::strerror(errno));
  }
  ~Pipe() {
    close_write();
    ::close(ends_[0]);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  int read_end() const { return ends_[0]; }
  int write_end() const { return ends_[1]; }
  void close_write() {
    if (ends_[1] >= 0) ::close(ends_[1]);
    ends_[1] = -1;
  }

 private:
  int ends_[2] = {-1, -1};
};

// Reads both pipes until they close or the time is over. What a library prints beyond 1 MiB is nobody's interest.
bool drain(const Pipe& out, const Pipe& err, ChildOutcome& outcome, Clock::time_point end) {
  constexpr std::size_t kMost = std::size_t{1} << 20;
  pollfd waiting[2] = {{out.read_end(), POLLIN, 0}, {err.read_end(), POLLIN, 0}};
  std::string* texts[2] = {&outcome.out, &outcome.err};
  int open = 2;
  while (open > 0) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now()).count();
    if (left <= 0) return false;
    const int ready = ::poll(waiting, 2, static_cast<int>(left));
    if (ready < 0 && errno != EINTR) return false;
    for (int i = 0; i < 2 && ready > 0; ++i) {
      if (waiting[i].fd < 0 || waiting[i].revents == 0) continue;
      char buffer[65536];
      const ssize_t n = ::read(waiting[i].fd, buffer, sizeof buffer);
      if (n > 0 && texts[i]->size() < kMost) texts[i]->append(buffer, static_cast<std::size_t>(n));
      if (n == 0 || (n < 0 && errno != EINTR)) {
        waiting[i].fd = -1;
        --open;
      }
    }
  }
  return true;
}

// A child that closed its outputs is not gone yet. False when it still runs at `end`.
bool wait_until(pid_t child, int& status, Clock::time_point end) {
  while (true) {
    const pid_t ended = ::waitpid(child, &status, WNOHANG);
    if (ended == child || (ended < 0 && errno != EINTR)) return true;
    if (Clock::now() >= end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

// Exec'ed, never forked: this process has threads.
ChildOutcome run_child(const std::filesystem::path& program, const std::filesystem::path& file,
                       std::chrono::seconds time_limit) {
  Pipe out, err;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, out.write_end(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err.write_end(), STDERR_FILENO);
  std::string name = program.string(), verb = "scan-plugin", argument = file.string();
  char* arguments[] = {name.data(), verb.data(), argument.data(), nullptr};
  pid_t child = 0;
  const int failure = ::posix_spawn(&child, name.c_str(), &actions, nullptr, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failure != 0)
    throw Error(ExitCode::kResources, std::string("cannot start a process to scan plugins: ") + std::strerror(failure),
                name);
  out.close_write();
  err.close_write();
  ChildOutcome outcome;
  const Clock::time_point end = Clock::now() + time_limit;
  outcome.timed_out = !drain(out, err, outcome, end) || !wait_until(child, outcome.status, end);
  if (outcome.timed_out) {
    ::kill(child, SIGKILL);
    while (::waitpid(child, &outcome.status, 0) < 0 && errno == EINTR) {
    }
  }
  return outcome;
}

std::string last_line(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  const std::size_t start = text.rfind('\n');
  return start == std::string::npos ? text : text.substr(start + 1);
}

ScanResult judge(const ChildOutcome& outcome, std::chrono::seconds time_limit) {
  ScanResult result;
  if (outcome.timed_out) {
    result.refusal = "did not answer within " + std::to_string(time_limit.count()) + " s of being loaded";
    result.sticks = false;
    return result;
  }
  if (WIFSIGNALED(outcome.status)) {
    const int signal = WTERMSIG(outcome.status);
    result.refusal = std::string("crashed while it was looked at: ") + ::strsignal(signal);
    result.sticks = signal != SIGKILL;  // what the out-of-memory killer sends
    return result;
  }
  const int code = WEXITSTATUS(outcome.status);
  // Whatever the library printed while it loaded stands before the one line that counts.
  const std::string answer = last_line(outcome.out);
  try {
    const nlohmann::json json = nlohmann::json::parse(answer);
    if (code == 0) return scan_result_from_json(json);
  } catch (const nlohmann::json::exception&) {
  }
  result.refusal = "ended the process that looked at it, with exit code " + std::to_string(code);
  if (const std::string said = last_line(outcome.err); !said.empty()) result.refusal += ": " + said;
  return result;
}

}  // namespace

nlohmann::json to_json(const ScanResult& result) {
  nlohmann::json components = nlohmann::json::array();
  for (const ComponentSchema& schema : result.components) components.push_back(to_json(schema));
  return {{"abi", result.abi},
          {"version", result.version},
          {"components", components},
          {"refusal", result.refusal},
          {"sticks", result.sticks}};
}

ScanResult scan_result_from_json(const nlohmann::json& json) {
  ScanResult result;
  result.abi = json.at("abi");
  result.version = json.at("version");
  result.refusal = json.at("refusal");
  result.sticks = json.at("sticks");
  for (const auto& component : json.at("components"))
    result.components.push_back(component_schema_from_json(component));
  return result;
}

ScanResult scan_library(const std::filesystem::path& file, const std::filesystem::path& scanner,
                        std::chrono::seconds time_limit) {
  try {
    refuse_by_facts(read_elf(file));
  } catch (const Error& e) {
    ScanResult refused;
    refused.refusal = e.what();
    return refused;
  }
  return judge(run_child(scanner, file, time_limit), time_limit);
}

std::string describe_library(const std::filesystem::path& file) {
  ScanResult result;
  try {
    const LibraryDescription description = describe(*open_library(file).plugin);
    result.abi = abi_text(description.abi_version);
    result.version = description.version;
    result.components = description.components;
  } catch (const LoadFailure& e) {
    result.refusal = e.what();
    result.sticks = false;  // a library that it lacks may be installed tomorrow, and this file stays as it is
  } catch (const Error& e) {
    result.refusal = e.what();
  }
  return to_json(result).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace osteon::plugin
