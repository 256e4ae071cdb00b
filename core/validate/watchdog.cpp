// SPDX-License-Identifier: Apache-2.0
#include "validate/watchdog.hpp"

#include <ctime>

#include <algorithm>

#include <fmt/format.h>

namespace osteon::validate {
namespace {

using std::chrono::milliseconds;

milliseconds processor_time() {
  timespec used{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return std::chrono::duration_cast<milliseconds>(std::chrono::seconds(used.tv_sec) +
                                                  std::chrono::nanoseconds(used.tv_nsec));
}

}  // namespace

Watchdog::Watchdog(milliseconds limit, std::function<void(const std::string&)> bark)
    : thread_([this, limit, bark = std::move(bark)] { watch(limit, bark); }) {}

Watchdog::~Watchdog() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    over_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void Watchdog::watch(milliseconds limit, const std::function<void(const std::string&)>& bark) {
  // Even on a machine with many others a process that has something to do gets this much in that time.
  constexpr milliseconds kLook{100}, kLongestStill{10'000}, kSomething{20};
  const milliseconds still = std::min(limit, kLongestStill);
  const std::string text = fmt::format("did not finish within {:g} s", std::chrono::duration<double>(limit).count());
  const auto start = std::chrono::steady_clock::now();
  auto moved_at = start;
  milliseconds moved = processor_time();
  std::unique_lock<std::mutex> lock(mutex_);
  while (!changed_.wait_for(lock, kLook, [this] { return over_; })) {
    const auto now = std::chrono::steady_clock::now();
    const milliseconds used = processor_time();
    if (used - moved >= kSomething) {
      moved = used;
      moved_at = now;
    }
    if (used < 2 * limit && (now - start < limit || now - moved_at < still)) continue;
    lock.unlock();
    return bark(text);
  }
}

}  // namespace osteon::validate
