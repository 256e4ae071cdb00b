// SPDX-License-Identifier: Apache-2.0
#include "plugin/library.hpp"

#include <thread>

#include "base/file.hpp"
#include "plugin/call.hpp"
#include "plugin/descriptor.hpp"
#include "plugin/loss.hpp"
#include "unit/plugin/libraries.hpp"

namespace osteon::plugin {
namespace {

using test::expect_refusal;
using test::fixture;
using test::TemporaryFolder;

TEST(OpenLibrary, GivesADescriptionAndADigest) {
  const OpenLibrary library = open_library(fixture("good"));
  ASSERT_NE(library.plugin, nullptr);
  EXPECT_STREQ(library.plugin->name, "constant");
  EXPECT_EQ(library.sha256, sha256(test::content_of(fixture("good"))));
}

TEST(OpenLibrary, OpensALibraryOnceHoweverItIsNamed) {
  const TemporaryFolder folder;
  const auto file = folder.add("good");
  std::filesystem::create_symlink(file, folder / "link.so");
  const OpenLibrary first = open_library(file);
  EXPECT_EQ(open_library(folder / "link.so").plugin, first.plugin);
  EXPECT_EQ(open_library(folder / "../" / folder.path().filename() / "good.so").plugin, first.plugin);
}

double value_of(const OpenLibrary& library) {
  const LoadedComponent component = component_of(*library.plugin, Kind::kLoss, "constant");
  ClassContext classes;
  classes.names = {"bone"};
  const Call call;
  const Loss loss(component, {std::vector<double>{2.5}}, classes, call);
  osteon_loss_input input{};
  input.struct_size = sizeof input;
  return loss.evaluate(call, input);
}

TEST(OpenLibrary, LivesOnWhenItsFileIsOverwritten) {
  const TemporaryFolder folder;
  const auto file = folder.add("good");
  const OpenLibrary library = open_library(file);
  folder.write("good.so", "");  // in place, which would take the pages from under a library that is mapped from there
  EXPECT_EQ(value_of(library), 2.5);
}

TEST(OpenLibrary, OpensAnotherVersionInPlaceOfAFileThatIsOpen) {
  const TemporaryFolder folder;
  const OpenLibrary before = open_library(folder.add("good", "plugin.so"));
  const OpenLibrary after = open_library(folder.add("print_at_load", "plugin.so"));
  EXPECT_NE(before.plugin, after.plugin);
  EXPECT_NE(before.sha256, after.sha256);
  EXPECT_EQ(value_of(before), 2.5);
  EXPECT_EQ(value_of(after), 2.5);
}

TEST(OpenLibrary, LoadsALibraryThatItRefusedNoSecondTime) {
  for (int i = 0; i < 2; ++i)
    expect_refusal(ExitCode::kPlugin, {"cannot serve this host"}, [] { open_library(fixture("null_entry")); });
  const std::string maps = test::content_of("/proc/self/maps");
  std::size_t executable = 0;
  for (std::size_t at = 0; (at = maps.find("/memfd:null_entry.so", at)) != std::string::npos; ++at) {
    const std::size_t line = maps.rfind('\n', at) + 1;
    executable += maps.compare(maps.find(' ', line) + 1, 4, "r-xp") == 0 ? 1 : 0;
  }
  EXPECT_EQ(executable, 1u);
}

TEST(OpenLibrary, IsSafeFromManyThreads) {
  const TemporaryFolder folder;
  const auto file = folder.add("good");
  const osteon_plugin* found[4] = {};
  std::vector<std::thread> threads;
  for (auto& plugin : found) threads.emplace_back([&plugin, &file] { plugin = open_library(file).plugin; });
  for (std::thread& thread : threads) thread.join();
  for (const auto* plugin : found) EXPECT_EQ(plugin, found[0]);
}

TEST(OpenLibrary, RefusesBeforeAnyCodeRuns) {
  // Loaded, each of these would abort this test.
  for (const std::string name : {"other_abi", "other_libtorch", "origin_run_path", "damaged_note"})
    EXPECT_THROW(open_library(fixture(name)), Error) << name;
}

TEST(OpenLibrary, SaysWhatTheDynamicLinkerSays) {
  expect_refusal(ExitCode::kPlugin, {"cannot be loaded", "libosteon_fixture_absent.so"},
                 [] { open_library(fixture("absent_dependency")); });
  expect_refusal(ExitCode::kPlugin, {"cannot serve this host"}, [] { open_library(fixture("null_entry")); });
}

TEST(OpenLibrary, KnowsWhatTheMachineLacksFromWhatTheFileGotWrong) {
  EXPECT_THROW(open_library(fixture("absent_dependency")), LoadFailure);
  try {
    open_library(fixture("null_entry"));
    ADD_FAILURE() << "nothing was thrown";
  } catch (const LoadFailure&) {
    ADD_FAILURE() << "the dynamic linker is not to blame";
  } catch (const Error&) {
  }
}

TEST(OpenLibrary, RefusesALibraryWhoseNoteAndCodeDisagree) {
  expect_refusal(ExitCode::kPlugin, {"note", "loss 'another'"}, [] { open_library(fixture("note_disagrees")); });
}

TEST(OpenLibrary, SaysThatAFileIsGone) {
  expect_refusal(ExitCode::kPlugin, {"cannot be opened"}, [] { open_library("/nonexistent/plugin.so"); });
}

TEST(OpenLibrary, RunsAComponentThatIsWrittenInC) { EXPECT_EQ(value_of(open_library(fixture("good"))), 2.5); }

}  // namespace
}  // namespace osteon::plugin
