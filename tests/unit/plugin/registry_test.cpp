// SPDX-License-Identifier: Apache-2.0
#include "plugin/registry.hpp"

#include <cstdlib>
#include <map>

#include <sys/stat.h>
#include <unistd.h>

#include "base/file.hpp"
#include "plugin/descriptor.hpp"
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
  RegistryTest() { forget_environment(); }
  ~RegistryTest() override { forget_environment(); }
  static void forget_environment() {
    for (const char* name : {"OSTEON_PLUGIN_PATH", "OSTEON_PLUGIN_ALLOW", "OSTEON_FIXTURE_FACE", "LD_LIBRARY_PATH"})
      ::unsetenv(name);
  }

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

  static std::string digest_of(const fs::path& file) { return sha256_file(file); }

  TemporaryFolder first_, second_, cache_;
};

TEST_F(RegistryTest, ListsWhatItFindsAndLoadsIt) {
  const fs::path file = first_.add("good");
  Registry registry(options({first_.path()}));
  EXPECT_TRUE(only(registry).ok()) << only(registry).reason;
  EXPECT_EQ(only(registry).name, "constant");
  EXPECT_EQ(only(registry).kind, "loss");
  EXPECT_EQ(only(registry).abi, abi_text(OSTEON_ABI_VERSION));
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
  EXPECT_TRUE(by_file["good.so"]->ok());
  for (const std::string name : {"other_abi", "crash_at_load", "not_a_library"}) {
    const Listing& listing = *by_file.at(name + ".so");
    EXPECT_FALSE(listing.ok()) << name;
    EXPECT_EQ(listing.name, name == "not_a_library" ? name : "constant");
    EXPECT_EQ(listing.kind, "") << name;
    EXPECT_NE(listing.reason, "") << name;
  }
  expect_parts(by_file["other_abi.so"]->reason, {"99.7", "0.2", "build the plugin again"});
  EXPECT_EQ(registry.schemas().size(), 1u);
}

TEST_F(RegistryTest, TakesTheFirstOfTwoOfOneName) {
  const fs::path winner = first_.add("good");
  const fs::path loser = second_.add("duplicate");
  Registry registry(options({first_.path(), second_.path()}));
  ASSERT_EQ(registry.listings().size(), 2u);
  EXPECT_TRUE(registry.listings()[0].ok());
  EXPECT_FALSE(registry.listings()[1].ok());
  EXPECT_EQ(registry.listings()[1].path, loser);
  expect_parts(registry.listings()[1].reason, {"taken", winner.string()});
  EXPECT_EQ(registry.load(Kind::kLoss, "constant").library, winner);

  Registry reversed(options({second_.path(), first_.path()}));
  EXPECT_EQ(reversed.load(Kind::kLoss, "constant").library, loser);
}

TEST_F(RegistryTest, TakesTheHighestVersionWhereverItLies) {
  const fs::path older = first_.add("good");
  const fs::path later = second_.add("later_version");
  for (const auto& folders : {std::vector{first_.path(), second_.path()}, std::vector{second_.path(), first_.path()}}) {
    Registry registry(options(folders));
    for (const Listing& listing : registry.listings()) EXPECT_TRUE(listing.ok()) << listing.reason;
    EXPECT_EQ(registry.listings().size(), 2u);
    EXPECT_EQ(registry.load(Kind::kLoss, "constant").library, later) << "1.10 comes after 1.0";
    EXPECT_EQ(registry.load(Kind::kLoss, "constant", "1").library, later);
    EXPECT_EQ(registry.load(Kind::kLoss, "constant", "1.0").library, older);
    EXPECT_EQ(registry.load(Kind::kLoss, "constant", "1.0").component->version, std::string("1.0.0"));
    expect_refusal(ExitCode::kUsage, {"constant", "version 1.1;", "1.0.0", "1.10.0"},
                   [&] { registry.load(Kind::kLoss, "constant", "1.1"); });
  }
}

TEST_F(RegistryTest, LeavesAsideWhatIsNewerAndTakesTheRestOfItsLibrary) {
  const fs::path file = first_.add("unknown_kind");
  for (const char* from : {"a look", "the cache"}) {
    Registry registry(options({first_.path()}));
    ASSERT_EQ(registry.listings().size(), 2u) << from;
    for (const Listing& listing : registry.listings()) {
      EXPECT_EQ(listing.path, file);
      if (listing.name == "constant") {
        EXPECT_TRUE(listing.ok()) << from << listing.reason;
        continue;
      }
      EXPECT_EQ(listing.name, "oracle");
      EXPECT_STREQ(to_string(listing.status), "skipped") << from;
      EXPECT_EQ(listing.kind, "kind 77");
      EXPECT_EQ(listing.version, "1.0.0");
      expect_parts(listing.reason, {"kind 77", "does not know"});
    }
    EXPECT_EQ(registry.load(Kind::kLoss, "constant").library, file);
    expect_refusal(ExitCode::kUsage, {"oracle"}, [&] { registry.load(Kind::kModel, "oracle"); });
  }
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
  EXPECT_FALSE(only(Registry(options({first_.path()}))).ok());
  fs::remove(file);
  first_.add("good", "plugin.so");
  const Registry fixed(options({first_.path()}));
  EXPECT_TRUE(only(fixed).ok()) << only(fixed).reason;
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
  EXPECT_TRUE(only(registry).ok());
  EXPECT_TRUE(warns(registry, "plugins.json"));
  EXPECT_TRUE(Registry(options({first_.path()}, kNoScanner)).warnings().empty());
}

TEST_F(RegistryTest, WorksWithoutACache) {
  first_.add("good");
  RegistryOptions blocked = options({first_.path()});
  blocked.cache_file = cache_.write("file", "") / "plugins.json";
  const Registry registry(blocked);
  EXPECT_TRUE(only(registry).ok());
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
  EXPECT_TRUE(only(registry).ok());
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
  EXPECT_TRUE(only(registry).ok()) << only(registry).reason;
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
  EXPECT_FALSE(only(registry).ok());
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
  EXPECT_FALSE(only(Registry(options({first_.path()}))).ok());
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
  const std::string before = digest_of(file);
  Registry registry(options({first_.path()}));
  fs::remove(file);
  first_.add("crash_at_load", "plugin.so");  // whose code would end this test
  expect_refusal(ExitCode::kPlugin, {"has changed", before, digest_of(file), "--rescan"},
                 [&] { registry.load(Kind::kLoss, "constant"); });
}

TEST_F(RegistryTest, RefusesALibraryThatChangedWithoutChangingWhatTheCacheKnowsItBy) {
  const fs::path file = first_.add("good", "plugin.so");
  { const Registry registry(options({first_.path()})); }
  const auto time = fs::last_write_time(file);
  std::string bytes = test::content_of(file);
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  first_.write("plugin.so", bytes);
  fs::last_write_time(file, time);
  Registry registry(options({first_.path()}, kNoScanner));
  EXPECT_TRUE(only(registry).ok()) << "the cache does not notice";
  expect_refusal(ExitCode::kPlugin, {"has changed"}, [&] { registry.load(Kind::kLoss, "constant"); });
}

TEST_F(RegistryTest, RefusesALibraryThatSaysSomethingElseThanWhenItWasScanned) {
  first_.add("two_faced");
  Registry registry(options({first_.path()}));
  ::setenv("OSTEON_FIXTURE_FACE", "other", 1);
  expect_refusal(ExitCode::kPlugin, {"otherwise", "--rescan"}, [&] { registry.load(Kind::kLoss, "constant"); });
}

// --- quarantine ----------------------------------------------------------------------------------------------------

TEST_F(RegistryTest, LooksAgainWhenWhatALibraryNeedsChanged) {
  const fs::path needed = second_.path() / "libosteon_fixture_absent.so";
  const fs::path stub = fs::path(OSTEON_FIXTURE_PLUGINS) / "../out_of_sight/libosteon_fixture_absent.so";
  fs::copy_file(stub, needed);
  ::setenv("LD_LIBRARY_PATH", second_.path().c_str(), 1);
  first_.add("absent_dependency");
  EXPECT_TRUE(only(Registry(options({first_.path()}))).ok());
  EXPECT_TRUE(only(Registry(options({first_.path()}, kNoScanner))).ok()) << "the cache does not answer";
  fs::last_write_time(needed, fs::last_write_time(needed) + std::chrono::seconds(1));
  EXPECT_THROW(Registry(options({first_.path()}, kNoScanner)), Error) << "the cache answered";
}

TEST_F(RegistryTest, LooksAgainAtWhatTheMachineIsToBlameFor) {
  first_.add("no_memory_at_load");
  EXPECT_FALSE(only(Registry(options({first_.path()}))).ok());
  EXPECT_THROW(Registry(options({first_.path()}, kNoScanner)), Error) << "the cache answered";
}

// --- lists of allowed libraries ------------------------------------------------------------------------------------

TEST_F(RegistryTest, ListsTheDigestsOfFiles) {
  const fs::path good = first_.add("good"), crash = first_.add("crash_at_load");
  const Registry registry(options({first_.path()}));
  ASSERT_EQ(registry.listings().size(), 2u);
  for (const Listing& listing : registry.listings()) EXPECT_EQ(listing.sha256, digest_of(listing.path));
  EXPECT_EQ(registry.schemas().at(0).library_sha256, digest_of(good));
}

TEST_F(RegistryTest, RunsNoCodeOfALibraryThatIsNotAllowed) {
  const fs::path file = first_.add("good");
  RegistryOptions strict = options({first_.path()}, kNoScanner);
  strict.allow.emplace_back("the list", std::set<std::string>{std::string(64, '0')});
  Registry registry(strict);  // a scanner that is not there would be an error
  EXPECT_FALSE(only(registry).ok());
  EXPECT_EQ(only(registry).name, "constant");
  EXPECT_EQ(only(registry).sha256, digest_of(file));
  expect_parts(only(registry).reason, {"sha256:" + digest_of(file), "not among", "the list"});
  EXPECT_THROW(registry.load(Kind::kLoss, "constant"), Error);
}

TEST_F(RegistryTest, TakesALibraryThatIsAllowed) {
  const fs::path good = first_.add("good");
  first_.add("crash_at_load");
  RegistryOptions strict = options({first_.path()});
  strict.allow.emplace_back("the list", std::set<std::string>{digest_of(good)});
  Registry registry(strict);
  EXPECT_EQ(registry.schemas().size(), 1u);
  EXPECT_EQ(registry.allow_lists().size(), 1u);
  EXPECT_EQ(registry.load(Kind::kLoss, "constant").library_sha256, digest_of(good));
}

TEST_F(RegistryTest, AsksEveryListAnewWhateverTheCacheKnows) {
  const fs::path good = first_.add("good");
  { const Registry registry(options({first_.path()})); }
  RegistryOptions strict = options({first_.path()}, kNoScanner);
  strict.allow.emplace_back("the list", std::set<std::string>{});
  EXPECT_FALSE(only(Registry(strict)).ok());
  // And the other way round: what a list kept from being looked at is looked at when the list is gone.
  first_.add("duplicate");
  { const Registry registry(strict); }
  EXPECT_EQ(Registry(options({first_.path()})).listings().size(), 2u);
  EXPECT_EQ(Registry(options({first_.path()}, kNoScanner)).schemas().size(), 1u);
}

TEST_F(RegistryTest, LetsNoListWidenTheOperators) {
  const fs::path good = first_.add("good");
  ::setenv("OSTEON_PLUGIN_ALLOW", second_.write("list.toml", "[plugins]\nallow = []\n").c_str(), 1);
  RegistryOptions recipe = options({first_.path()}, kNoScanner);
  recipe.allow.emplace_back("the recipe", std::set<std::string>{digest_of(good)});
  const Registry registry(recipe);
  EXPECT_FALSE(only(registry).ok());
  expect_parts(only(registry).reason, {(second_ / "list.toml").string()});
  ASSERT_EQ(registry.allow_lists().size(), 2u);
}

TEST_F(RegistryTest, LooksAtNothingWhenAListCannotBeRead) {
  first_.add("good");
  ::setenv("OSTEON_PLUGIN_ALLOW", (second_ / "absent.toml").c_str(), 1);
  expect_refusal(ExitCode::kData, {"cannot open"}, [&] { Registry(options({first_.path()}, kNoScanner)); });
}

// --- relative paths ------------------------------------------------------------------------------------------------

class InFolder {
 public:
  explicit InFolder(const fs::path& folder) { fs::current_path(folder); }
  ~InFolder() { fs::current_path(before_); }

 private:
  fs::path before_ = fs::current_path();
};

TEST_F(RegistryTest, IgnoresRelativeEntriesOfTheEnvironment) {
  first_.add("good");
  const InFolder here(first_.path());
  for (const std::string entry : {".", "..", "", ":", "plugins", "./"}) {
    ::setenv("OSTEON_PLUGIN_PATH", (entry + ":" + second_.path().string()).c_str(), 1);
    const Registry registry(options({}, kNoScanner));
    EXPECT_EQ(registry.folders(), std::vector<fs::path>{second_.path()}) << entry;
    EXPECT_TRUE(registry.listings().empty()) << entry;
    EXPECT_TRUE(warns(registry, "OSTEON_PLUGIN_PATH")) << entry;
  }
  ::setenv("OSTEON_PLUGIN_PATH", "", 1);
  EXPECT_TRUE(Registry(options({}, kNoScanner)).warnings().empty());
}

TEST_F(RegistryTest, RefusesAFolderWithoutAName) {
  first_.add("good");
  const InFolder here(first_.path());
  expect_refusal(ExitCode::kUsage, {"without a name"}, [&] { Registry(options({""}, kNoScanner)); });
}

TEST_F(RegistryTest, WarnsWhenTheDynamicLinkerWouldLookInTheCurrentFolder) {
  for (const std::string path : {":/usr/lib", "/usr/lib:", "/usr/lib;lib"}) {
    ::setenv("LD_LIBRARY_PATH", path.c_str(), 1);
    EXPECT_TRUE(warns(Registry(options({}, kNoScanner)), "LD_LIBRARY_PATH")) << path;
  }
  for (const std::string path : {"", "/usr/lib", "/usr/lib:/opt"}) {
    ::setenv("LD_LIBRARY_PATH", path.c_str(), 1);
    EXPECT_TRUE(Registry(options({}, kNoScanner)).warnings().empty()) << path;
  }
}

TEST_F(RegistryTest, KnowsARefusedFileByWhatItSaysItHolds) {
  first_.add("absent_dependency");
  first_.add("no_note");
  first_.write("broken.so", "no library");
  const Registry registry(options({first_.path()}));
  std::map<std::string, const Listing*> by_file;
  for (const Listing& listing : registry.listings()) by_file[listing.path.stem()] = &listing;
  ASSERT_EQ(by_file.size(), 3u);
  EXPECT_EQ(by_file["absent_dependency"]->name, "constant");
  EXPECT_EQ(by_file["absent_dependency"]->claimed, std::vector<std::string>{"constant"});
  EXPECT_EQ(by_file["absent_dependency"]->kind, "");
  EXPECT_EQ(by_file["no_note"]->name, "no_note");
  EXPECT_EQ(by_file["broken"]->name, "broken");
}

// The pipes of the child that looks at a library are none of these.
TEST_F(RegistryTest, LooksAtLibrariesWhateverIsOpen) {
  first_.add("good");
  std::vector<int> held;
  for (int i = 0; i < 194; ++i) held.push_back(::dup(STDIN_FILENO));
  const Registry registry(options({first_.path()}));
  for (const int each : held) ::close(each);
  EXPECT_TRUE(only(registry).ok()) << only(registry).reason;
}

}  // namespace
}  // namespace osteon::plugin
