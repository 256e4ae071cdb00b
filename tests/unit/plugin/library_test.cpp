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

TEST(OpenLibrary, RunsAComponentThatIsWrittenInC) {
  const OpenLibrary library = open_library(fixture("good"));
  const LoadedComponent component = component_of(*library.plugin, Kind::kLoss, "constant");
  ClassContext classes;
  classes.names = {"bone"};
  const Call call;
  const Loss loss(component, {std::vector<double>{2.5}}, classes, call);
  osteon_loss_input input{};
  input.struct_size = sizeof input;
  EXPECT_EQ(loss.evaluate(call, input), 2.5);
}

}  // namespace
}  // namespace osteon::plugin
