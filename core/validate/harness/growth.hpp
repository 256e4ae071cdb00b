// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace osteon::validate {

/// Calls `work` over and over and fails when memory in use grows with it; `what` names it. Counts what malloc gave out,
/// in the whole process, and the resident set: neither clocks nor other processes have a say.
/// @param rounds  of each of two windows, or more where memory goes on growing; fewer for work that takes long
std::string expect_no_growth(const std::string& what, const std::function<void()>& work, int rounds = 200);

/// How many rounds there are when each works on this many bytes: 8 to 200.
int rounds_for(std::int64_t bytes) noexcept;

/// What malloc gave out and did not get back, in the whole process.
std::int64_t bytes_in_use() noexcept;

/// The greatest resident set so far, in MiB.
double peak_resident_mib();

}  // namespace osteon::validate
