// SPDX-License-Identifier: Apache-2.0
#include "validate/harness/cancellation.hpp"

#include <gtest/gtest.h>

namespace osteon::validate {
namespace {

Outcome cancelled() { return {OSTEON_CANCELLED, "cancelled"}; }
bool stops(const osteon_call* call) { return call->cancelled(call) != 0; }

TEST(ExpectCancellable, TakesWhoStopsWhenToldTo) {
  const Looks looks = expect_cancellable("work", [](const osteon_call* call, bool* right) {
    for (int i = 0; i < 3; ++i)
      if (stops(call)) return cancelled();
    *right = true;
    return Outcome();
  });
  EXPECT_EQ(looks.count, 3);
}

TEST(ExpectCancellable, TakesWhoLooksWhenAllIsDone) {
  const Looks looks = expect_cancellable("work", [](const osteon_call* call, bool* right) {
    stops(call);
    *right = true;
    return Outcome();
  });
  EXPECT_EQ(looks.count, 1);
}

TEST(ExpectCancellable, FailsWhoLooksAgainAndGoesOn) {
  EXPECT_THROW(expect_cancellable("work",
                                  [](const osteon_call* call, bool* right) {
                                    for (int i = 0; i < 3; ++i) stops(call);
                                    *right = true;
                                    return Outcome();
                                  }),
               Failure);
}

TEST(ExpectCancellable, FailsWhoGivesHalfOfIt) {
  EXPECT_THROW(expect_cancellable("work",
                                  [](const osteon_call* call, bool* right) {
                                    *right = !stops(call);
                                    return Outcome();
                                  }),
               Failure);
}

TEST(ExpectCancellable, FailsWhoNeverLooksAtALargeInput) {
  const StoppableWork blind = [](const osteon_call*, bool* right) {
    *right = true;
    return Outcome();
  };
  EXPECT_THROW(expect_cancellable("work", blind, [&] { return blind; }), Failure);
  const Looks looks = expect_cancellable("work", blind);
  EXPECT_EQ(looks.count, 0);
  EXPECT_THROW(report_of({looks}), NotApplicable);
}

TEST(ExpectCancellable, TakesWhoLooksAtALargeInputAlone) {
  const auto work = [](int looks) -> StoppableWork {
    return [looks](const osteon_call* call, bool* right) {
      for (int i = 0; i < looks; ++i)
        if (stops(call)) return cancelled();
      *right = true;
      return Outcome();
    };
  };
  EXPECT_EQ(expect_cancellable("work", work(0), [&] { return work(2); }).count, 2);
}

}  // namespace
}  // namespace osteon::validate
