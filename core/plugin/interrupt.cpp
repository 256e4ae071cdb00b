// SPDX-License-Identifier: Apache-2.0
#include "plugin/interrupt.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <list>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include <fmt/format.h>
#include <semaphore.h>
#include <unistd.h>

#include "base/error.hpp"

namespace osteon::plugin {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds kPatience(5);
constexpr std::chrono::milliseconds kBetweenLooks(50);

std::atomic<bool> g_interrupted{false};

struct Running {
  std::string who;
  const char* call;
  Clock::time_point since;
};

// Never destroyed: the watching thread may outlive main.
struct Watched {
  std::mutex mutex;
  std::list<Running> running;
  std::mutex action_mutex;  // held while the action runs, so that what it works with lives until it is done
  std::function<std::string()> action;
};
Watched& watched() {
  static auto* all = new Watched();
  return *all;
}

// Which call of this thread is the outermost.
thread_local const RunningCall* t_outermost = nullptr;

sem_t& signal_came() {
  static auto* semaphore = [] {
    auto* made = new sem_t;
    sem_init(made, 0, 0);
    return made;
  }();
  return *semaphore;
}
sem_t* g_signal_came = nullptr;

void on_signal(int) {
  // The second one: whoever asks twice wants out now.
  if (g_interrupted.exchange(true)) ::_exit(static_cast<int>(ExitCode::kInterrupted));
  const int kept = errno;
  if (g_signal_came != nullptr) sem_post(g_signal_came);
  errno = kept;
}

std::optional<Running> longest_running() {
  Watched& all = watched();
  const std::lock_guard<std::mutex> lock(all.mutex);
  const auto found = std::min_element(all.running.begin(), all.running.end(),
                                      [](const Running& a, const Running& b) { return a.since < b.since; });
  return found == all.running.end() ? std::nullopt : std::optional<Running>(*found);
}

[[noreturn]] void end_by_force(const Running& call) {
  std::string text = fmt::format("osteon: {}, {} does not return; the process is ended\n", call.who, call.call);
  {
    Watched& all = watched();
    const std::lock_guard<std::mutex> lock(all.action_mutex);
    try {
      if (all.action) text += "osteon: " + all.action() + "\n";
    } catch (const std::exception& e) {
      text += std::string("osteon: ") + e.what() + "\n";
    }
  }
  fmt::print(stderr, "{}", text);
  std::fflush(stderr);
  ::_exit(static_cast<int>(ExitCode::kInterrupted));
}

void watch() {
  while (sem_wait(&signal_came()) != 0) continue;
  const Clock::time_point asked = Clock::now();
  if (const auto call = longest_running())
    fmt::print(stderr, "osteon: stopping when {}, {} returns, for which it has {} s; a second signal ends it now\n",
               call->who, call->call, kPatience.count());
  while (true) {
    std::this_thread::sleep_for(kBetweenLooks);
    const auto call = longest_running();
    if (call && Clock::now() - std::max(asked, call->since) >= kPatience) end_by_force(*call);
  }
}

}  // namespace

const std::atomic<bool>& interrupted() noexcept { return g_interrupted; }

void install_signal_handlers() {
  g_signal_came = &signal_came();
  struct sigaction action {};
  action.sa_handler = on_signal;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  // A file that meets a limit of its size is an error of the write, as on a full disk.
  action.sa_handler = SIG_IGN;
  sigaction(SIGXFSZ, &action, nullptr);
}

void watch_interrupts() {
  static std::once_flag once;
  std::call_once(once, [] { std::thread(watch).detach(); });
}

RunningCall::RunningCall(std::string who, const char* call) : outer_(t_outermost) {
  if (outer_ != nullptr) return;
  Watched& all = watched();
  const std::lock_guard<std::mutex> lock(all.mutex);
  place_ = &all.running.emplace_back(Running{std::move(who), call, Clock::now()});
  t_outermost = this;
}

RunningCall::~RunningCall() {
  if (outer_ != nullptr) return;
  Watched& all = watched();
  const std::lock_guard<std::mutex> lock(all.mutex);
  all.running.remove_if([&](const Running& running) { return &running == place_; });
  t_outermost = nullptr;
}

BeforeForcedEnd::BeforeForcedEnd(std::function<std::string()> action) {
  const std::lock_guard<std::mutex> lock(watched().action_mutex);
  watched().action = std::move(action);
}

BeforeForcedEnd::~BeforeForcedEnd() {
  const std::lock_guard<std::mutex> lock(watched().action_mutex);
  watched().action = nullptr;
}

}  // namespace osteon::plugin
