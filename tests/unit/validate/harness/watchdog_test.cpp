// SPDX-License-Identifier: Apache-2.0
#include "validate/watchdog.hpp"

#include <atomic>
#include <future>

#include <gtest/gtest.h>

namespace osteon::validate {
namespace {

using std::chrono::milliseconds;

TEST(Watchdog, BarksAtWhoStandsStill) {
  std::promise<std::string> barked;
  const Watchdog watchdog(milliseconds(200), [&](const std::string& text) { barked.set_value(text); });
  EXPECT_EQ(barked.get_future().get(), "did not finish within 0.2 s");
}

TEST(Watchdog, BarksAtWhoWorksForEver) {
  std::promise<void> barked;
  std::atomic<bool> over{false};
  const Watchdog watchdog(milliseconds(100), [&](const std::string&) {
    over = true;
    barked.set_value();
  });
  while (!over) {
  }
  barked.get_future().get();
}

TEST(Watchdog, IsSilentWhenAllIsDone) {
  std::atomic<bool> barked{false};
  {
    const Watchdog watchdog(milliseconds(60'000), [&](const std::string&) { barked = true; });
  }
  EXPECT_FALSE(barked);
}

}  // namespace
}  // namespace osteon::validate
