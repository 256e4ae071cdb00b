// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include <gtest/gtest.h>

#include "base/error.hpp"

namespace osteon::test {

/// Expects Error(kData) whose message contains `part` and, where given, whose place is `where`.
template <class Read>
void expect_refused(Read&& read, const std::string& part, const std::optional<std::string>& where = {}) {
  try {
    read();
    ADD_FAILURE() << "accepted; expected: " << part;
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::kData);
    EXPECT_NE(std::string(e.what()).find(part), std::string::npos) << e.what();
    EXPECT_EQ(e.where(), where.value_or(e.where())) << e.what();
  }
}

}  // namespace osteon::test
