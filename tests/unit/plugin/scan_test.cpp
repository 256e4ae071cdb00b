// SPDX-License-Identifier: Apache-2.0
#include "plugin/scan.hpp"

#include <chrono>

#include "plugin/descriptor_cache.hpp"
#include "unit/plugin/libraries.hpp"

namespace osteon::plugin {
namespace {

using namespace std::chrono_literals;
using test::expect_parts;
using test::fixture;

ScanResult scan(const std::string& name, std::chrono::seconds time_limit = 20s) {
  return scan_library(fixture(name), OSTEON_PROGRAM, time_limit);
}

TEST(Scan, DescribesALibrary) {
  const ScanResult result = scan("good");
  EXPECT_EQ(result.refusal, "");
  EXPECT_EQ(result.abi, std::to_string(OSTEON_ABI_MAJOR) + "." + std::to_string(OSTEON_ABI_MINOR));
  EXPECT_EQ(result.version, "1.0.0");
  ASSERT_EQ(result.components.size(), 1u);
  EXPECT_EQ(result.components[0].name, "constant");
  EXPECT_EQ(result.components[0].kind, Kind::kLoss);
  ASSERT_EQ(result.components[0].parameters.size(), 1u);
  EXPECT_EQ(result.components[0].parameters[0].name, "value");
  EXPECT_EQ(std::get<std::vector<double>>(*result.components[0].parameters[0].default_value), std::vector<double>{1.5});
}

TEST(Scan, TakesTheAnswerFromAmongWhatALibraryPrints) {
  const ScanResult result = scan("print_at_load");
  EXPECT_EQ(result.refusal, "");
  EXPECT_EQ(result.components.size(), 1u);
  EXPECT_EQ(scan("print_half_a_line").refusal, "");
}

TEST(Scan, RunsNoCodeOfALibraryThatItsFileRefuses) {
  // These would end the process that loads them; a scanner that does not exist shows that nobody tried.
  for (const std::string name : {"other_abi", "other_libtorch", "origin_run_path", "relative_run_path",
                                 "empty_run_path", "needs_by_path", "damaged_note"}) {
    const ScanResult result = scan_library(fixture(name), "/nonexistent/scanner");
    EXPECT_NE(result.refusal, "") << name;
    EXPECT_TRUE(result.components.empty()) << name;
  }
}

struct Offence {
  const char* fixture;
  std::vector<std::string> parts;
};
void PrintTo(const Offence& offence, std::ostream* out) { *out << offence.fixture; }

class Offender : public testing::TestWithParam<Offence> {};

TEST_P(Offender, IsRefusedWithItsReason) {
  const ScanResult result = scan(GetParam().fixture);
  expect_parts(result.refusal, GetParam().parts);
  EXPECT_TRUE(result.components.empty());
}
INSTANTIATE_TEST_SUITE_P(
    Each, Offender,
    testing::Values(Offence{"crash_at_load", {"crashed", "Aborted", "both times", "--rescan"}},
                    Offence{"exit_at_load", {"ended the process", "exit code 0", "both times"}},
                    Offence{"no_memory_at_load", {"crashed", "Aborted"}},
                    Offence{"killed_at_load", {"crashed", "Killed"}}, Offence{"other_abi_inside", {"99.7", "0.2"}},
                    Offence{"note_disagrees", {"note", "loss 'another'"}},
                    Offence{"print_garbage", {"exit code 7", "is closed"}},
                    Offence{"null_entry", {"cannot serve this host"}},
                    Offence{"broken_descriptor", {"broken descriptor", "name"}},
                    Offence{"absent_dependency", {"cannot be loaded", "libosteon_fixture_absent.so"}}),
    [](const auto& test) { return std::string(test.param.fixture); });

TEST(Scan, EndsALibraryThatHangs) {
  const ScanResult result = scan("hang_at_load", 1s);
  expect_parts(result.refusal, {"1 s"});
  EXPECT_FALSE(result.sticks) << "a busy machine is no fault of the library";
}

TEST(Scan, EndsALibraryThatHangsWithItsOutputsClosed) { expect_parts(scan("mute_and_hang", 1s).refusal, {"1 s"}); }

TEST(Scan, LooksAgainWhenSomethingWasMissing) {
  // The file stays as it is when what it needs gets installed.
  EXPECT_FALSE(scan("absent_dependency").sticks);
}

TEST(Scan, HoldsAgainstALibraryWhatIsItsOwnFault) {
  for (const std::string name : {"good", "crash_at_load", "exit_at_load", "print_garbage", "null_entry"})
    EXPECT_TRUE(scan(name).sticks) << name;
  for (const std::string name : {"no_memory_at_load", "killed_at_load"}) EXPECT_FALSE(scan(name).sticks) << name;
}

TEST(Scan, TriesALibraryThatCrashedOnceMore) {
  const test::TemporaryFolder folder;
  ::setenv("OSTEON_FIXTURE_MARK", (folder / "mark").c_str(), 1);
  const ScanResult result = scan("crash_once");
  ::unsetenv("OSTEON_FIXTURE_MARK");
  EXPECT_TRUE(std::filesystem::exists(folder / "mark")) << "it did not crash";
  EXPECT_EQ(result.refusal, "");
  EXPECT_EQ(result.components.size(), 1u);
}

TEST(Scan, NotesWhatALibraryNeeds) {
  const ScanResult result = scan("crash_at_load");
  ASSERT_FALSE(result.dependencies.empty());
  for (const auto& [file, identity] : result.dependencies) EXPECT_EQ(identity, file_identity(file)) << file;
}

TEST(Scan, RunsTheBytesThatWereAskedForOrNone) {
  const std::string other(64, '0');
  const ScanResult result =
      scan_result_from_json(nlohmann::json::parse(describe_library(fixture("crash_at_load"), other, {})));
  test::expect_parts(result.refusal, {"changed while it was looked at"});
  EXPECT_FALSE(result.sticks);
  const std::string digest = PrivateCopy(fixture("crash_at_load")).sha256();
  test::expect_parts(describe_library(fixture("crash_at_load"), digest, {AllowList("the list", {other})}),
                     {"sha256:" + digest, "the list"});
}

TEST(Scan, SurvivesTheWayIntoTheCacheAndBack) {
  const ScanResult result = scan("good");
  EXPECT_EQ(to_json(scan_result_from_json(to_json(result))), to_json(result));
  const ScanResult passing = scan("absent_dependency");
  EXPECT_EQ(scan_result_from_json(to_json(passing)).sticks, passing.sticks);
}

}  // namespace
}  // namespace osteon::plugin
