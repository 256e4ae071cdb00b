// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include <gtest/gtest.h>
#include <time.h>

#include <osteon/sdk/call.hpp>

#include "plugin/call.hpp"

namespace osteon::test {

/// Whether times of this build say something: not of one that is not optimised, or watched by a sanitizer.
#if defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
inline constexpr bool kTimesCount = true;
#else
inline constexpr bool kTimesCount = false;
#endif

/// A call of one thread that watches how often `cancelled` is looked at, here or in calls derived from it: what the
/// thread works between two looks, in processor time, which does not count what other programs take. One at a time.
class WatchedCall {
 public:
  static constexpr std::int64_t kNever = INT64_MAX;
  /// @param stop_at  the look, from 0, from which on the callee is told to stop
  explicit WatchedCall(std::int64_t stop_at = kNever) : raw_(*host_.raw()), stop_at_(stop_at) {
    watched_ = this;
    raw_.cancelled = [](const osteon_call*) { return watched_->look(); };
    last_ = now();
  }
  ~WatchedCall() { watched_ = nullptr; }
  WatchedCall(const WatchedCall&) = delete;
  WatchedCall& operator=(const WatchedCall&) = delete;

  const osteon_call* raw() const noexcept { return &raw_; }
  sdk::Call get() const { return sdk::Call(&raw_); }
  std::int64_t looks() const noexcept { return static_cast<std::int64_t>(gaps_.size()); }
  /// Seconds before each look, and at last those since.
  std::vector<double> gaps() const {
    std::vector<double> all = gaps_;
    all.push_back(now() - last_);
    return all;
  }

 private:
  static double now() {
    ::timespec used{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return static_cast<double>(used.tv_sec) + 1e-9 * static_cast<double>(used.tv_nsec);
  }
  std::int32_t look() {
    const double at = now();
    gaps_.push_back(at - last_);
    last_ = now();
    return looks() > stop_at_ ? 1 : 0;
  }

  inline static WatchedCall* watched_ = nullptr;
  plugin::Call host_;
  osteon_call raw_;
  std::int64_t stop_at_;
  std::vector<double> gaps_;
  double last_ = 0;
};

/// The longest that `work(osteon_call*)` goes without a look, in seconds of processor time. It is done twice, which has
/// the same looks: a gap counts as the shorter of its two times.
template <class Work>
double longest_gap(Work&& work) {
  std::vector<double> gaps;
  for (int round = 0; round < 2; ++round) {
    const WatchedCall call;
    work(call.raw());
    const std::vector<double> again = call.gaps();
    for (std::size_t i = 0; i < again.size(); ++i)
      if (round == 0 || i >= gaps.size())
        gaps.push_back(again[i]);
      else
        gaps[i] = std::min(gaps[i], again[i]);
  }
  return *std::max_element(gaps.begin(), gaps.end());
}

/// 50 ms are promised (osteon_call.cancelled). Here there is room for a processor that is slow or shared, and for pages
/// that are touched for the first time.
inline constexpr double kLongestGap = 0.2;

/// Does `work(osteon_call*)` as often as it looks, and stops it at each look in turn: it throws `Stopped`, without
/// going on.
template <class Stopped, class Work>
void expect_to_stop_at_every_look(Work&& work) {
  std::int64_t looks = 0;
  {
    const WatchedCall call;
    work(call.raw());
    looks = call.looks();
  }
  ASSERT_GT(looks, 0) << "it never looks";
  for (std::int64_t at = 0; at < looks; ++at) {
    const WatchedCall call(at);
    EXPECT_THROW(work(call.raw()), Stopped) << "at look " << at + 1 << " of " << looks;
    EXPECT_LE(call.looks(), at + 2) << "it went on after look " << at + 1;
  }
}

}  // namespace osteon::test
