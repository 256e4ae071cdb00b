// SPDX-License-Identifier: Apache-2.0
#include "plugin/allow_list.hpp"

#include <cstdlib>

#include <sys/stat.h>

#include "unit/plugin/libraries.hpp"

namespace osteon::plugin {
namespace {

namespace fs = std::filesystem;
using test::expect_parts;
using test::expect_refusal;
using test::TemporaryFolder;

const std::string kOne(64, '1'), kTwo(64, 'f');

std::string list_of(const std::vector<std::string>& digests) {
  std::string text = "[plugins]\nallow = [";
  for (const std::string& digest : digests) text += "\"sha256:" + digest + "\", ";
  return text + "]\n";
}

class AllowListTest : public testing::Test {
 protected:
  AllowListTest() { ::unsetenv("OSTEON_PLUGIN_ALLOW"); }
  ~AllowListTest() override { ::unsetenv("OSTEON_PLUGIN_ALLOW"); }
  static void name(const std::string& file) { ::setenv("OSTEON_PLUGIN_ALLOW", file.c_str(), 1); }
  fs::path program() const { return folder_ / "bin/osteon"; }
  fs::path write_installed(const std::string& text) const {
    fs::create_directories(folder_ / "etc/osteon");
    return folder_.write("etc/osteon/plugins.toml", text);
  }
  TemporaryFolder folder_;
};

TEST_F(AllowListTest, KnowsADigestFromOtherTexts) {
  EXPECT_EQ(digest_from("sha256:" + kOne), kOne);
  for (const std::string& text :
       {std::string(), kOne, "sha256:" + kOne.substr(1), "sha256:" + kOne + "1", "SHA256:" + kOne,
        "sha256:" + std::string(64, 'F'), "sha256:" + std::string(64, 'g'), "sha512:" + kOne})
    EXPECT_FALSE(digest_from(text)) << text;
}

TEST_F(AllowListTest, ReadsAFile) {
  const fs::path file = folder_.write("list.toml", "# of 2026\n" + list_of({kOne, kTwo, kOne}));
  const AllowList list = AllowList::read(file);
  EXPECT_TRUE(list.has(kOne));
  EXPECT_TRUE(list.has(kTwo));
  EXPECT_FALSE(list.has(std::string(64, '0')));
  EXPECT_FALSE(list.has(""));
  EXPECT_EQ(list.size(), 2u);
  EXPECT_EQ(list.origin(), file.string());
}

TEST_F(AllowListTest, AllowsNothingWhenItIsEmpty) {
  const AllowList list = AllowList::read(folder_.write("list.toml", "[plugins]\nallow = []\n"));
  EXPECT_FALSE(list.has(kOne));
}

struct Damage {
  const char* text;
  const char* place;
  const char* part;
};

TEST_F(AllowListTest, RefusesWhatIsNoList) {
  for (const Damage& damage :
       {Damage{"", ":", "'plugins' is missing"}, Damage{"[plugins]\n", ":1:", "'allow' is missing"},
        Damage{"[plugins]\nallow = 1\n", ":2:9", "no list"}, Damage{"plugins = 1\n", ":1:11", "no table"},
        Damage{"[plugins]\nallow = []\nforbid = []\n", ":3:1", "unknown key 'forbid'"},
        Damage{"[plugins]\nallow = []\n[plugin]\n", ":3:", "unknown key 'plugin'"},
        Damage{"[plugins]\nallow = [\n\"sha256:12\"]\n", ":3:1", "64 digits"},
        Damage{"[plugins]\nallow = [5]\n", ":2:10", "64 digits"}, Damage{"[plugins\n", ":1:", "not TOML"}}) {
    const fs::path file = folder_.write("list.toml", damage.text);
    try {
      AllowList::read(file);
      ADD_FAILURE() << damage.text;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ExitCode::kData);
      expect_parts(e.what(), {damage.part});
      expect_parts(e.where(), {file.string() + damage.place});
    }
  }
  EXPECT_THROW(AllowList::read(folder_ / "absent.toml"), Error);
  EXPECT_THROW(AllowList::read(folder_.path()), Error);
}

TEST_F(AllowListTest, RefusesAListThatAnybodyMayChange) {
  const fs::path file = folder_.write("list.toml", list_of({kOne}));
  ASSERT_EQ(::chmod(file.c_str(), 0666), 0);
  expect_refusal(ExitCode::kData, {"anybody", "chmod"}, [&] { AllowList::read(file); });
}

TEST_F(AllowListTest, OfTheOperatorIsNoneWhereNoneIsGiven) {
  EXPECT_TRUE(operator_allow_lists(program()).empty());
  EXPECT_EQ(refusal_by({}, kOne), "");
}

TEST_F(AllowListTest, OfTheOperatorLiesInTheInstallationAndInTheEnvironment) {
  const fs::path installed = write_installed(list_of({kOne}));
  auto lists = operator_allow_lists(program());
  ASSERT_EQ(lists.size(), 1u);
  EXPECT_EQ(lists[0].origin(), installed.string());

  const fs::path named = folder_.write("named.toml", list_of({kOne, kTwo}));
  name(named);
  lists = operator_allow_lists(program());
  ASSERT_EQ(lists.size(), 2u);
  EXPECT_EQ(refusal_by(lists, kOne), "");
  // The second list does not widen the first.
  expect_parts(refusal_by(lists, kTwo), {"sha256:" + kTwo, installed.string()});
}

TEST_F(AllowListTest, OfTheOperatorIsNotLeftOutWhenItCannotBeRead) {
  write_installed("damaged");
  EXPECT_THROW(operator_allow_lists(program()), Error);
  fs::remove(folder_ / "etc/osteon/plugins.toml");
  fs::create_symlink(folder_ / "absent", folder_ / "etc/osteon/plugins.toml");
  EXPECT_THROW(operator_allow_lists(program()), Error) << "a link that leads nowhere";
  fs::remove(folder_ / "etc/osteon/plugins.toml");

  name(folder_ / "absent.toml");
  EXPECT_THROW(operator_allow_lists(program()), Error);
  for (const std::string text : {"", "list.toml", "./list.toml"}) {
    name(text);
    expect_refusal(ExitCode::kUsage, {"OSTEON_PLUGIN_ALLOW", "absolute"}, [&] { operator_allow_lists(program()); });
  }
}

}  // namespace
}  // namespace osteon::plugin
