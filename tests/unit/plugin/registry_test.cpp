// SPDX-License-Identifier: Apache-2.0
#include "plugin/registry.hpp"

#include <cstdlib>
#include <map>

#include <sys/stat.h>

#include "plugin/loss.hpp"
#include "unit/plugin/libraries.hpp"

namespace osteon::plugin {
namespace {

namespace fs = std::filesystem;
using test::expect_parts;
using test::expect_refusal;
using test::TemporaryFolder;

constexpr const char* kNoScanner = "/nonexistent/scanner";  // for looks that must not run anything

class RegistryTest : public testing::Test {
 protected:
  RegistryTest() { ::unsetenv("OSTEON_PLUGIN_PATH"); }
  ~RegistryTest() override { ::unsetenv("OSTEON_PLUGIN_PATH"); }

  RegistryOptions options(std::vector<fs::path> folders, const fs::path& scanner = OSTEON_PROGRAM) const {
    RegistryOptions made;
    made.folders = std::move(folders);
    made.cache_file = cache_ / "plugins.json";
    made.scanner = scanner;
    return made;
  }

  static const Listing& only(const Registry& registry) {
    if (registry.listings().size() != 1)
      throw std::runtime_error(std::to_string(registry.listings().size()) + " listings");
    return registry.listings()[0];
  }

  static bool warns(const Registry& registry, const std::string& part) {
    for (const std::string& warning : registry.warnings())
      if (warning.find(part) != std::string::npos) return true;
    return false;
  }

  TemporaryFolder first_, second_, cache_;
};

TEST_F(RegistryTest, ListsWhatItFindsAndLoadsIt) {
  const fs::path file = first_.add("good");
  Registry registry(options({first_.path()}));
  EXPECT_TRUE(only(registry).ok) << only(registry).reason;
  EXPECT_EQ(only(registry).name, "constant");
  EXPECT_EQ(only(registry).kind, Kind::kLoss);
  EXPECT_EQ(only(registry).abi, "0.1");
  EXPECT_EQ(only(registry).path, file);
  EXPECT_TRUE(registry.warnings().empty());
  ASSERT_NE(registry.find(Kind::kLoss, "constant"), nullptr);
  EXPECT_EQ(registry.find(Kind::kModel, "constant"), nullptr);

  const LoadedComponent component = registry.load(Kind::kLoss, "constant");
  EXPECT_EQ(component.library, file);
  EXPECT_EQ(component.library_sha256.size(), 64u);
  ClassContext classes;
  classes.names = {"bone"};
  const Call call;
  osteon_loss_input input{};
  input.struct_size = sizeof input;
  EXPECT_EQ(Loss(component, {std::vector<double>{4}}, classes, call).evaluate(call, input), 4);
}

TEST_F(RegistryTest, ListsWhatItRefusesBesideWhatItTakes) {
  first_.add("good");
  first_.add("other_abi");
  first_.add("crash_at_load");
  first_.write("not_a_library.so", "text");
  const Registry registry(options({first_.path()}));
  ASSERT_EQ(registry.listings().size(), 4u);
  std::map<std::string, const Listing*> by_file;
  for (const Listing& listing : registry.listings()) by_file[listing.path.filename()] = &listing;
  EXPECT_TRUE(by_file["good.so"]->ok);
  for (const std::string name : {"other_abi", "crash_at_load", "not_a_library"}) {
    const Listing& listing = *by_file.at(name + ".so");
    EXPECT_FALSE(listing.ok) << name;
    EXPECT_EQ(listing.name, name);
    EXPECT_FALSE(listing.kind) << name;
    EXPECT_NE(listing.reason, "") << name;
  }
  expect_parts(by_file["other_abi.so"]->reason, {"99.7", "0.1"});
  EXPECT_EQ(registry.schemas().size(), 1u);
}

TEST_F(RegistryTest, TakesTheFirstOfTwoOfOneName) {
  const fs::path winner = first_.add("good");
  const fs::path loser = second_.add("duplicate");
  Registry registry(options({first_.path(), second_.path()}));
  ASSERT_EQ(registry.listings().size(), 2u);
  EXPECT_TRUE(registry.listings()[0].ok);
  EXPECT_FALSE(registry.listings()[1].ok);
  EXPECT_EQ(registry.listings()[1].path, loser);
  expect_parts(registry.listings()[1].reason, {"taken", winner.string()});
  EXPECT_EQ(registry.load(Kind::kLoss, "constant").library, winner);

  Registry reversed(options({second_.path(), first_.path()}));
  EXPECT_EQ(reversed.load(Kind::kLoss, "constant").library, loser);
}

TEST_F(RegistryTest, AsksTheCacheAboutFilesThatDidNotChange) {
  first_.add("good");
  first_.add("crash_at_load");
  { const Registry registry(options({first_.path()})); }
  const Registry again(options({first_.path()}, kNoScanner));
  ASSERT_EQ(again.listings().size(), 2u);
  EXPECT_EQ(again.schemas().size(), 1u);
}

TEST_F(RegistryTest, LooksAgainAtAFileThatChanged) {
  const fs::path file = first_.add("crash_at_load", "plugin.so");
  EXPECT_FALSE(only(Registry(options({first_.path()}))).ok);
  fs::remove(file);
  first_.add("good", "plugin.so");
  const Registry fixed(options({first_.path()}));
  EXPECT_TRUE(only(fixed).ok) << only(fixed).reason;
}

TEST_F(RegistryTest, LooksAgainWhenAskedTo) {
  first_.add("good");
  { const Registry registry(options({first_.path()})); }
  RegistryOptions again = options({first_.path()}, kNoScanner);
  again.rescan = true;
  EXPECT_THROW(Registry{again}, Error) << "the cache answered";
}

TEST_F(RegistryTest, MakesADamagedCacheAnew) {
  first_.add("good");
  cache_.write("plugins.json", "{ damaged");
  const Registry registry(options({first_.path()}));
  EXPECT_TRUE(only(registry).ok);
  EXPECT_TRUE(warns(registry, "plugins.json"));
  EXPECT_TRUE(Registry(options({first_.path()}, kNoScanner)).warnings().empty());
}

TEST_F(RegistryTest, WorksWithoutACache) {
  first_.add("good");
  RegistryOptions blocked = options({first_.path()});
  blocked.cache_file = cache_.write("file", "") / "plugins.json";
  const Registry registry(blocked);
  EXPECT_TRUE(only(registry).ok);
  EXPECT_TRUE(warns(registry, "cached"));
}

TEST_F(RegistryTest, SearchesTheFoldersOfTheEnvironmentLast) {
  const fs::path winner = first_.add("good");
  second_.add("duplicate");
  ::setenv("OSTEON_PLUGIN_PATH", (":" + second_.path().string()).c_str(), 1);
  Registry registry(options({first_.path()}));
  EXPECT_EQ(registry.folders(), (std::vector<fs::path>{first_.path(), second_.path()}));
  EXPECT_EQ(registry.listings().size(), 2u);
  EXPECT_EQ(registry.load(Kind::kLoss, "constant").library, winner);
  EXPECT_TRUE(warns(registry, "empty entry")) << "an empty entry is not the current folder";
}

TEST_F(RegistryTest, MakesRelativeFoldersAbsoluteAtOnce) {
  first_.add("good");
  const fs::path here = fs::current_path();
  fs::current_path(first_.path());
  const Registry registry(options({"."}));
  fs::current_path(here);
  EXPECT_TRUE(only(registry).path.is_absolute());
  EXPECT_TRUE(only(registry).ok);
}

TEST_F(RegistryTest, LooksAtSharedLibrariesOfTheFolderItself) {
  first_.add("good", "good.so.1");
  first_.add("good", "good.txt");
  fs::create_directory(first_ / "below");
  first_.add("good", "below/good.so");
  fs::create_directory(first_ / "folder.so");
  EXPECT_TRUE(Registry(options({first_.path()})).listings().empty());
}

TEST_F(RegistryTest, FollowsLinks) {
  fs::create_symlink(second_.add("good"), first_ / "link.so");
  Registry registry(options({first_.path()}));
  EXPECT_TRUE(only(registry).ok) << only(registry).reason;
  EXPECT_NO_THROW(registry.load(Kind::kLoss, "constant"));
}

TEST_F(RegistryTest, SearchesAFolderOnce) {
  first_.add("good");
  const Registry registry(options({first_.path(), first_ / ".", first_ / "", first_.path()}));
  EXPECT_EQ(registry.listings().size(), 1u);
}

TEST_F(RegistryTest, WarnsOfFoldersThatAreMissingOrOpenToAll) {
  ASSERT_EQ(::chmod(second_.path().c_str(), 0777), 0);
  const Registry registry(options({first_ / "missing", second_.path()}));
  EXPECT_TRUE(warns(registry, (first_ / "missing").string()));
  EXPECT_TRUE(warns(registry, second_.path().string()));
}

TEST_F(RegistryTest, WarnsOfAStickyFolderThatIsOpenToAll) {
  ASSERT_EQ(::chmod(first_.path().c_str(), 01777),
            0);  // as /tmp is: nobody may remove a plugin, but anybody may add one
  EXPECT_TRUE(warns(Registry(options({first_.path()})), first_.path().string()));
}

TEST_F(RegistryTest, ListsALinkThatLeadsNowhere) {
  fs::create_symlink(second_ / "absent.so", first_ / "link.so");
  const Registry registry(options({first_.path()}));
  EXPECT_FALSE(only(registry).ok);
  EXPECT_NE(only(registry).reason, "");
}

TEST_F(RegistryTest, SurvivesNamesAndTextsThatAreNoUtf8) {
  first_.add("good", "\xff.so");
  first_.add("print_garbage");
  const Registry registry(options({first_.path()}));
  EXPECT_EQ(registry.listings().size(), 2u);
  EXPECT_EQ(registry.schemas().size(), 1u);
}

TEST_F(RegistryTest, LooksAgainAtALibraryThatLackedAnother) {
  first_.add("absent_dependency");
  EXPECT_FALSE(only(Registry(options({first_.path()}))).ok);
  EXPECT_THROW(Registry(options({first_.path()}, kNoScanner)), Error) << "the cache answered";
}

TEST_F(RegistryTest, RefusesALibraryThatIsGone) {
  const fs::path file = first_.add("good");
  Registry registry(options({first_.path()}));
  fs::remove(file);
  expect_refusal(ExitCode::kPlugin, {"cannot be opened"}, [&] { registry.load(Kind::kLoss, "constant"); });
}

TEST_F(RegistryTest, SuggestsANameThatItKnows) {
  first_.add("good");
  Registry registry(options({first_.path()}));
  expect_refusal(ExitCode::kUsage, {"loss", "'constnat'", "constant"}, [&] { registry.load(Kind::kLoss, "constnat"); });
  EXPECT_THROW(registry.load(Kind::kModel, "constant"), Error);
}

TEST_F(RegistryTest, RefusesALibraryThatIsNoLongerTheOneThatWasScanned) {
  const fs::path file = first_.add("good", "plugin.so");
  Registry registry(options({first_.path()}));
  fs::remove(file);
  first_.add("other_abi", "plugin.so");
  expect_refusal(ExitCode::kPlugin, {"99.7"}, [&] { registry.load(Kind::kLoss, "constant"); });
}

}  // namespace
}  // namespace osteon::plugin
