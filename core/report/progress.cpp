// SPDX-License-Identifier: Apache-2.0
#include "report/progress.hpp"

#include <algorithm>
#include <cstdio>

#include <fmt/format.h>
#include <unistd.h>

namespace osteon::report {
namespace {
constexpr auto kTerminalInterval = std::chrono::milliseconds(100);
constexpr auto kPlainInterval = std::chrono::seconds(15);
}  // namespace

std::string duration_text(double seconds) {
  const auto s = static_cast<std::int64_t>(std::max(0.0, seconds) + 0.5);
  if (s >= 3600) return fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
  return fmt::format("{}:{:02}", s / 60, s % 60);
}

Progress::Progress(std::string what, std::int64_t total, std::string unit)
    : what_(std::move(what)),
      unit_(std::move(unit)),
      total_(total),
      start_(std::chrono::steady_clock::now()),
      drawn_(start_),
      terminal_(::isatty(STDERR_FILENO) != 0) {}

Progress::~Progress() { finish(); }

void Progress::advance(std::int64_t by, const std::string& note) {
  const std::lock_guard<std::mutex> lock(mutex_);
  done_ += by;
  if (!note.empty()) note_ = note;
  const auto now = std::chrono::steady_clock::now();
  const bool due = terminal_ ? now - drawn_ >= kTerminalInterval : now - drawn_ >= kPlainInterval;
  if (!due) return;
  drawn_ = now;
  draw();
}

void Progress::finish() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (finished_) return;
  finished_ = true;
  if (terminal_ && visible_) std::fputs("\r\033[K", stderr);
}

void Progress::draw() {
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  const double rate = seconds > 0 ? static_cast<double>(done_) / seconds : 0;
  const double fraction = total_ > 0 ? std::min(1.0, static_cast<double>(done_) / static_cast<double>(total_)) : 0;
  const std::string remaining = rate > 0 ? duration_text(static_cast<double>(total_ - done_) / rate) : "?";
  const std::string numbers = fmt::format("{}/{} {}  {:.1f}/s  {} left{}{}", done_, total_, unit_, rate, remaining,
                                          note_.empty() ? "" : "  ", note_);
  if (terminal_) {
    constexpr int kWidth = 24;
    const int filled = static_cast<int>(fraction * kWidth);
    std::string bar;
    for (int i = 0; i < kWidth; ++i) bar += i < filled ? "━" : "╌";
    fmt::print(stderr, "\r\033[K{} {} {}", what_, bar, numbers);
    std::fflush(stderr);
    visible_ = true;
  } else {
    fmt::print(stderr, "{}: {}\n", what_, numbers);
  }
}

}  // namespace osteon::report
