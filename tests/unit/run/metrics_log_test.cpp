// SPDX-License-Identifier: Apache-2.0
#include "run/metrics_log.hpp"

#include <gtest/gtest.h>

#include "base/error.hpp"
#include "support/program.hpp"

namespace osteon::run {
namespace {

class MetricsLogFile : public ::testing::Test {
 protected:
  MetricsLogFile() : log_(folder_ / "metrics.jsonl") {}
  void write(const std::string& text) const { test::write_text(folder_ / "metrics.jsonl", text); }
  std::string text() const { return test::slurp(folder_ / "metrics.jsonl"); }
  test::TemporaryFolder folder_;
  MetricsLog log_;
};

TEST_F(MetricsLogFile, KeepsWhatWasAppended) {
  EXPECT_TRUE(log_.read().empty());
  log_.append({{"epoch", 1}, {"dice", 0.1 + 0.2}});
  log_.append({{"epoch", 2}});
  const auto lines = log_.read();
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0].at("dice").get<double>(), 0.1 + 0.2);
}

TEST_F(MetricsLogFile, CutsALastLineThatIsHalfWritten) {
  const std::string whole = "{\"epoch\":1}\n{\"epoch\":2}\n";
  for (const std::string& rest : {std::string("{\"epo"), std::string("{\"epoch\":3}"), std::string("{\"epoch\n"),
                                  std::string(5, '\0'), std::string("\0\0\n", 3)}) {
    write(whole + rest);
    EXPECT_EQ(log_.read().size(), 2u) << rest;
    log_.keep_up_to(3);
    EXPECT_EQ(text(), whole) << rest;
  }
  write("{\"ep");
  log_.keep_up_to(0);
  EXPECT_EQ(text(), "");
}

TEST_F(MetricsLogFile, CutsEpochsThatAreTrainedAnew) {
  write("{\"epoch\":1}\n{\"epoch\":2}\n{\"epoch\":3}\n");
  log_.keep_up_to(2);
  EXPECT_EQ(text(), "{\"epoch\":1}\n{\"epoch\":2}\n");
}

TEST_F(MetricsLogFile, NamesADamagedLineBeforeTheLast) {
  write("{\"epoch\":1}\n{\"epo\n{\"epoch\":3}\n");
  try {
    log_.read();
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::kData);
    EXPECT_EQ(e.where(), (folder_ / "metrics.jsonl").string() + ":12");
  }
}

}  // namespace
}  // namespace osteon::run
