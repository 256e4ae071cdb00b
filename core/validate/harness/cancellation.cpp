// SPDX-License-Identifier: Apache-2.0
#include "validate/harness/cancellation.hpp"

#include <algorithm>

#include "validate/harness/steered_call.hpp"

namespace osteon::validate {
namespace {

// Of a call that is not disturbed.
std::int64_t looks_of(const std::string& what, const StoppableWork& work) {
  bool right = false;
  const SteeredCall call;
  expect_ok(work(call.raw(), &right), what);
  return call.polls();
}

void stop_it(const std::string& what, const StoppableWork& work, std::int64_t looks) {
  constexpr std::int64_t kTrials = 4;
  for (std::int64_t at = 0; at < std::min(looks, kTrials); ++at) {
    bool right = false;
    const SteeredCall call(1, at);
    const Outcome outcome = work(call.raw(), &right);
    if (outcome.status == OSTEON_CANCELLED) continue;
    const std::string when = fmt::format("{}, stopped at look {} of {},", what, at + 1, looks);
    expect(outcome.ok(), "{} returned {}, expected CANCELLED", when, outcome.describe());
    // It may have been done; then it was done altogether, and had no reason to look again.
    expect(right, "{} returned OK with another result than an undisturbed one", when);
    expect(call.polls() <= at + 1, "{} went on, looked {} more time(s), and returned OK", when, call.polls() - at - 1);
  }
}

}  // namespace

Looks expect_cancellable(const std::string& what, const StoppableWork& work,
                         const std::function<StoppableWork()>& larger) {
  std::int64_t looks = looks_of(what, work);
  stop_it(what, work, looks);
  if (looks > 0 || !larger) return {looks, fmt::format("{}: {} looks", what, looks)};
  const StoppableWork more = larger();
  looks = looks_of(what, more);
  expect(looks > 0,
         "{} was given millions of values and never asked cancelled(); who loops asks at least every 50 ms of work",
         what);
  stop_it(what, more, looks);
  return {looks, fmt::format("{}: {} looks at a large input, none at a small one", what, looks)};
}

std::string report_of(const std::vector<Looks>& all) {
  std::string report;
  std::int64_t count = 0;
  for (const Looks& looks : all) {
    report += (report.empty() ? "" : "; ") + looks.report;
    count += looks.count;
  }
  if (count == 0) skip("nothing can be told: {}; calls this short need not look", report);
  return report;
}

}  // namespace osteon::validate
