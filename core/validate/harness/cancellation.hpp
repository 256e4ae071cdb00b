// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "validate/harness/probe.hpp"

namespace osteon::validate {

/// One call to be stopped: makes it with this osteon_call, and says whether its result is what an undisturbed one
/// gives.
using StoppableWork = std::function<Outcome(const osteon_call* call, bool* right)>;

/// How often a call looked whether it is to stop.
struct Looks {
  std::int64_t count = 0;
  std::string report;  ///< "forward: 3 looks"
};

/// As many values as no loop goes through in the 50 ms that lie between two looks, or not by much: a callee that is
/// given so many looks at least once.
inline constexpr std::int64_t kManyValues = std::int64_t{1} << 24;

/// Makes a call undisturbed, then stops it at its first looks in turn: each time it returns CANCELLED, or OK with what
/// an undisturbed one gives and without having looked again. A call that never looked is made again on kManyValues, if
/// `larger` says how: then it must. Counts decide, no clock does.
Looks expect_cancellable(const std::string& what, const StoppableWork& work,
                         const std::function<StoppableWork()>& larger = {});

/// Skips where nothing ever looked, and so nothing can be told.
std::string report_of(const std::vector<Looks>& all);

}  // namespace osteon::validate
