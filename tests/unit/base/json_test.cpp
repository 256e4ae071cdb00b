// SPDX-License-Identifier: Apache-2.0
#include "base/json.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"

namespace osteon {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string nested(int levels, const char* open = "[", const char* close = "]") {
  std::string text;
  for (int i = 0; i < levels; ++i) text += open;
  for (int i = 0; i < levels; ++i) text += close;
  return text;
}

void expect_refused(const std::string& text, const std::string& where, const std::string& part) {
  try {
    parse_json(text, "f");
    ADD_FAILURE() << "it was accepted";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::kData);
    EXPECT_EQ(e.where(), where);
    EXPECT_THAT(e.what(), HasSubstr(part));
    EXPECT_THAT(e.what(), Not(HasSubstr("json.exception")));
  }
}

TEST(Json, IsReadToItsDepth) {
  EXPECT_EQ(parse_json(R"({"a": [1, "[[{\\\"["]})", "f").at("a").at(1), "[[{\\\"[");
  EXPECT_TRUE(parse_json(nested(kMostJsonLevels), "f").is_array());
  expect_refused(nested(kMostJsonLevels + 1), "f:200", "more than 200 deep");
  expect_refused(nested(100'000, R"({"a":[)", "]}"), "f:600", "more than 200 deep");
}

TEST(Json, OfOtherKindsIsRefusedWithItsPlace) {
  expect_refused("[1, 2", "f:5", "is not valid JSON");
  expect_refused("", "f:0", "is not valid JSON");
  expect_refused("[1e999]", "f", "1e999");
  expect_refused("[-1e999]", "f", "1e999");
  expect_refused("[\"\xff\"]", "f:2", "is not valid JSON");
}

TEST(Json, TextOfBytesThatAreNoUtf8CanBeWritten) {
  EXPECT_EQ(json_text(nlohmann::json{{"name", "a\xff"}}), "{\"name\":\"a\xef\xbf\xbd\"}");
  EXPECT_EQ(json_text(nlohmann::ordered_json{1, 2}, 1), "[\n 1,\n 2\n]");
}

}  // namespace
}  // namespace osteon
