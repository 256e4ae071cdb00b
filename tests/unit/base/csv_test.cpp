// SPDX-License-Identifier: Apache-2.0
#include "base/csv.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/data/files.hpp"

namespace osteon {
namespace {

using testing::ElementsAre;

std::vector<std::vector<std::string>> read(const std::string& text) {
  const tests::TemporaryFolder folder;
  tests::write_bytes(folder / "a.csv", text);
  CsvReader reader(folder / "a.csv");
  std::vector<std::vector<std::string>> records;
  for (std::vector<std::string> fields; reader.next(fields);) records.push_back(fields);
  return records;
}

TEST(Csv, QuotesOnlyWhatNeedsIt) {
  EXPECT_EQ(csv_field("plain name_1"), "plain name_1");
  EXPECT_EQ(csv_field(""), "");
  EXPECT_EQ(csv_field("a,b"), "\"a,b\"");
  EXPECT_EQ(csv_field("say \"a\""), "\"say \"\"a\"\"\"");
  EXPECT_EQ(csv_field("two\nlines"), "\"two\nlines\"");
}

TEST(Csv, ReadsWhatRfc4180Allows) {
  EXPECT_THAT(read("a,b\r\nc,\n"), ElementsAre(ElementsAre("a", "b"), ElementsAre("c", "")));
  EXPECT_THAT(read("\xef\xbb\xbf"
                   "a"),
              ElementsAre(ElementsAre("a")));
  EXPECT_THAT(read("\"x,\"\"y\"\"\nz\",\"\"\nnext"), ElementsAre(ElementsAre("x,\"y\"\nz", ""), ElementsAre("next")));
  EXPECT_TRUE(read("").empty());
}

TEST(Csv, RefusesStrayAndOpenQuotesWithTheLine) {
  for (const char* text : {"ok\na\"b", "ok\n\"a\"b", "ok\n\"a\nb"}) {
    const Error error = tests::error_of([&] { read(text); });
    EXPECT_EQ(error.code(), ExitCode::kData);
    EXPECT_THAT(error.where(), testing::EndsWith("a.csv:2")) << text;
  }
}

}  // namespace
}  // namespace osteon
