// SPDX-License-Identifier: Apache-2.0
// That every check of `plugins validate` can fail, and that what is right passes all of them. A faulty component is
// named after the check that it must fail ('-' becomes '_'; what follows two of them tells several faults of one check
// apart), and lies in bad_KIND; tests/fixtures/bad_plugins has them.
#include <cstdlib>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "support/program.hpp"

namespace osteon {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

json validate(const fs::path& library, const std::string& options) {
  const test::Outcome outcome =
      test::run_program(OSTEON_PROGRAM, "plugins validate " + library.string() + " --json " + options);
  EXPECT_TRUE(outcome.exit_code == 0 || outcome.exit_code == 1) << outcome.err;
  const json report = json::parse(outcome.out, nullptr, false);
  EXPECT_FALSE(report.is_discarded()) << outcome.out << outcome.err;
  EXPECT_EQ(outcome.exit_code == 1, report.value("failed", -1) > 0) << outcome.out;
  return report;
}

std::set<std::string> failed(const json& report) {
  std::set<std::string> names;
  for (const json& row : report.at("checks"))
    if (row.at("verdict") == "fail") names.insert(row.at("name").get<std::string>());
  return names;
}

// Names of checks by what they are of: "library", "component" (of any kind), "model", "loss", ..., "fit".
const std::map<std::string, std::set<std::string>>& listed() {
  static const auto kListed = [] {
    std::map<std::string, std::set<std::string>> checks;
    const test::Outcome outcome = test::run_program(OSTEON_PROGRAM, "plugins validate --list --json");
    for (const json& check : json::parse(outcome.out)) checks[check.at("of")].insert(check.at("name"));
    return checks;
  }();
  return kListed;
}

std::string check_of(std::string fault) {
  fault = fault.substr(0, fault.find("__"));
  for (char& c : fault)
    if (c == '_') c = '-';
  return fault;
}

std::vector<std::string> faults_of(const std::string& library) {
  std::ifstream file(fs::path(OSTEON_BAD_PLUGIN_SOURCES) / ("bad_" + library + "_faults.inc"));
  std::vector<std::string> names;
  const std::string begin = "OSTEON_FAULT(";
  for (std::string line; std::getline(file, line);)
    if (line.rfind(begin, 0) == 0) names.push_back(line.substr(begin.size(), line.find(')') - begin.size()));
  return names;
}

// Checks that a faulty component cannot help failing beside its own.
std::set<std::string> exceptions_of(const std::string& library, const std::string& fault) {
  std::ifstream file(fs::path(OSTEON_BAD_PLUGIN_SOURCES) / "exceptions.txt");
  std::set<std::string> checks;
  for (std::string of, name, check; file >> of >> name >> check;)
    if (of == library && name == fault) checks.insert(check);
  return checks;
}

struct FaultyLibrary {
  std::string name, kind;
  std::vector<std::string> good;  // components that keep every promise
  fs::path file() const { return fs::path(OSTEON_BAD_PLUGINS) / (kind + "-bad_" + name + ".so"); }
};
void PrintTo(const FaultyLibrary& library, std::ostream* out) { *out << library.name; }

class EveryCheck : public testing::TestWithParam<FaultyLibrary> {};

TEST_P(EveryCheck, HasAFaultThatItFinds) {
  for (const std::string& fault : faults_of(GetParam().name)) {
    const std::string own = check_of(fault);
    // The whole matrix takes many minutes; it is for whoever changes checks.
    const bool whole = std::getenv("OSTEON_TEST_ALL_FAULTS") != nullptr;
    const json report =
        validate(GetParam().file(), "--component " + fault + (whole ? std::string() : " --check " + own));
    std::set<std::string> found = failed(report);
    EXPECT_EQ(found.count(own), 1u) << fault << ": " << report.dump(2);
    if (!whole) continue;
    found.erase(own);
    EXPECT_EQ(found, exceptions_of(GetParam().name, fault)) << fault;
  }
}

TEST_P(EveryCheck, PassesWhatIsRight) {
  for (const std::string& good : GetParam().good) {
    std::string options = "--component " + good;
    if (good == "good_component")  // it is no loss worth the name
      for (const std::string& check : listed().at("component")) options += " --check " + check;
    const json report = validate(GetParam().file(), options);
    EXPECT_EQ(failed(report), std::set<std::string>{}) << report.dump(2);
    EXPECT_GT(report.at("passed"), 10);
  }
}

TEST_P(EveryCheck, IsOneThatAFaultIsNamedAfter) {
  std::set<std::string> found;
  for (const std::string& fault : faults_of(GetParam().name)) found.insert(check_of(fault));
  EXPECT_EQ(found, listed().at(GetParam().name));
}

INSTANTIATE_TEST_SUITE_P(
    Validate, EveryCheck,
    testing::Values(FaultyLibrary{"component", "loss", {"good_component"}},
                    FaultyLibrary{"model", "model", {"good_model"}}, FaultyLibrary{"loss", "loss", {"good_loss"}},
                    FaultyLibrary{"augmentation", "augmentation", {"good_augmentation", "good_warp"}},
                    FaultyLibrary{
                        "postprocessor", "postprocessor", {"good_postprocessor", "good_filter", "good_calibrator"}},
                    FaultyLibrary{"ensembler", "ensembler", {"good_ensembler"}},
                    FaultyLibrary{"fit", "ensembler", {"good_fit"}}),
    [](const auto& given) { return given.param.name; });

// Libraries that are wrong as a whole; each fails these checks of libraries and no others.
const std::map<std::string, std::set<std::string>> kBadLibraries = {
    {"good", {}},
    {"no_note", {"can-be-read"}},
    {"shows_more", {"exports-its-entry-alone"}},
    {"note_disagrees", {"describes-itself"}},
    {"changes_its_mind", {"bears-other-hosts", "entry-is-constant"}},
    {"hates_other_hosts", {"bears-other-hosts"}},
    {"claims_newer", {"bears-other-hosts"}},
    {"unknown_kind", {"describes-itself"}},
    {"print_at_load", {"prints-nothing"}},
    {"starts_a_thread", {"starts-no-thread"}},
    {"changes_the_environment", {"leaves-the-process-alone"}},
    {"changes_the_rounding", {"leaves-the-process-alone"}},
    {"there_can_be_only_one", {"loads-twice"}}};

fs::path fixture(const std::string& name) { return fs::path(OSTEON_FIXTURE_PLUGINS) / (name + ".so"); }

std::string library_checks() {
  std::string options;
  for (const std::string& check : listed().at("library")) options += " --check " + check;
  return options;
}

TEST(ValidateLibraries, EachFindsItsFault) {
  std::set<std::string> proven;
  for (const auto& [name, expected] : kBadLibraries) {
    EXPECT_EQ(failed(validate(fixture(name), library_checks())), expected) << name;
    proven.insert(expected.begin(), expected.end());
  }
  EXPECT_EQ(proven, listed().at("library"));
}

TEST(ValidateDocs, NameEveryCheck) {
  std::ifstream file(OSTEON_VALIDATOR_PAGE);
  const std::string page((std::istreambuf_iterator<char>(file)), {});
  ASSERT_FALSE(page.empty());
  for (const auto& [of, checks] : listed())
    for (const std::string& check : checks)
      EXPECT_NE(page.find("`" + check + "`"), std::string::npos) << check << " of " << of << " is not in the reference";
}

TEST(ValidateLibraries, FindsUniqueSymbols) {
  EXPECT_EQ(failed(validate(fixture("is_unique"), "--check exports-its-entry-alone")),
            std::set<std::string>{"exports-its-entry-alone"});
}

TEST(ValidateLibraries, ReportsCrashesExitsAndHangsAsVerdicts) {
  const std::map<std::string, std::string> endings = {{"crash_at_load", "crashed: Aborted"},
                                                      {"exit_at_load", "ended the process that checked it"},
                                                      {"hang_at_load", "did not finish within"}};
  for (const auto& [name, text] : endings) {
    // Short patience for what hangs alone: the others end by themselves, on a busy machine later.
    const std::string patience = name == "hang_at_load" ? " --patience 0.02" : "";
    const json report = validate(fixture(name), "--check entry-is-constant" + patience);
    ASSERT_EQ(report.at("checks").size(), 1u) << name;
    EXPECT_EQ(report.at("checks")[0].at("verdict"), "fail");
    EXPECT_NE(report.at("checks")[0].at("detail").get<std::string>().find(text), std::string::npos) << report.dump(2);
  }
}

TEST(ValidateArguments, AreNamedWhenTheyMeanNothing) {
  const test::Outcome check = test::run_program(
      OSTEON_PROGRAM, "plugins validate " + fixture("good").string() + " --check exports-its-entry-alon");
  EXPECT_EQ(check.exit_code, 2);
  EXPECT_NE(check.err.find("exports-its-entry-alone"), std::string::npos) << check.err;
  const test::Outcome of_another_kind =
      test::run_program(OSTEON_PROGRAM, "plugins validate rotate --check gradients-of-parameters");
  EXPECT_EQ(of_another_kind.exit_code, 2) << of_another_kind.out;
  EXPECT_NE(of_another_kind.err.find("no check 'gradients-of-parameters'"), std::string::npos) << of_another_kind.err;
  const test::Outcome mistyped = test::run_program(OSTEON_PROGRAM, "plugins validate rotate --check points-are-finit");
  EXPECT_EQ(mistyped.exit_code, 2);
  EXPECT_NE(mistyped.err.find("did you mean 'points-are-finite'?"), std::string::npos) << mistyped.err;
  EXPECT_EQ(test::run_program(OSTEON_PROGRAM, "plugins validate no_such_plugin").exit_code, 2);
  EXPECT_EQ(test::run_program(OSTEON_PROGRAM, "plugins validate").exit_code, 2);
  EXPECT_EQ(test::run_program(OSTEON_PROGRAM, "plugins validate /nonexistent.so").exit_code, 2);
}

// A check of the library is run for a component's name too, once it is asked for.
TEST(ValidateArguments, RunWhatTheyName) {
  for (const std::string check : {"can-be-read", "creates-from-defaults", "points-are-finite"}) {
    const test::Outcome outcome = test::run_program(OSTEON_PROGRAM, "plugins validate rotate --json --check " + check);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    const json report = json::parse(outcome.out);
    ASSERT_EQ(report.at("checks").size(), 1u) << report.dump(2);
    EXPECT_EQ(report.at("checks")[0].at("name"), check);
  }
}

TEST(ValidateArguments, GiveValuesThatNobodyCouldMakeUp) {
  const fs::path library = fs::path(OSTEON_PLUGIN_FOLDER) / "model-torchscript.so";
  const auto creation = [&](const std::string& options) {
    return validate(library, "--component torchscript --check creates-from-defaults " + options).at("checks").at(0);
  };
  const json without = creation("");
  EXPECT_EQ(without.at("verdict"), "skip");
  EXPECT_NE(without.at("detail").get<std::string>().find("--set file=FILE"), std::string::npos) << without;
  const json with = creation("--set file=/no/such/file --channels 3 --classes 5");
  EXPECT_EQ(with.at("verdict"), "fail");
  EXPECT_NE(with.at("detail").get<std::string>().find("there is no file /no/such/file"), std::string::npos) << with;
}

TEST(ValidateArguments, AreCheckedAgainstTheSchema) {
  const auto outcome = [](const std::string& options) {
    return test::run_program(OSTEON_PROGRAM, "plugins validate rotate --check creates-from-defaults " + options);
  };
  EXPECT_EQ(outcome("--set limit=10.0").exit_code, 0);
  const test::Outcome name = outcome("--set limt=10.0"), value = outcome("--set limit=1000.0");
  EXPECT_EQ(name.exit_code, 2);
  EXPECT_NE(name.err.find("did you mean 'limit'"), std::string::npos) << name.err;
  EXPECT_EQ(value.exit_code, 2);
  EXPECT_NE(value.err.find("limit"), std::string::npos) << value.err;
}

}  // namespace
}  // namespace osteon
