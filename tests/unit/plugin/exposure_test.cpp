// SPDX-License-Identifier: Apache-2.0
#include "plugin/exposure.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include "unit/plugin/libraries.hpp"

namespace osteon::plugin {
namespace {

namespace fs = std::filesystem;
using test::expect_parts;
using test::TemporaryFolder;

constexpr gid_t kStrangers = 54321;

class ExposureTest : public testing::Test {
 protected:
  ExposureTest() { fs::create_directories(folder_); }
  std::string exposure(const std::vector<fs::path>& libraries = {}) const {
    return exposure_of(folder_, libraries, "/usr/bin/osteon");
  }
  static void mode(const fs::path& path, mode_t bits) { ASSERT_EQ(::chmod(path.c_str(), bits), 0); }
  static bool give_to_strangers(const fs::path& path, uid_t user = static_cast<uid_t>(-1)) {
    return ::chown(path.c_str(), user, kStrangers) == 0;  // root may, others may not
  }

  TemporaryFolder above_;
  fs::path folder_ = above_ / "above/plugins";
};

TEST_F(ExposureTest, IsNoneOfAFolderThatOnlyItsUserMayWriteTo) {
  mode(folder_, 0755);
  const fs::path library = above_.write("above/plugins/a.so", "");
  mode(library, 0644);
  EXPECT_EQ(exposure({library}), "");
}

TEST_F(ExposureTest, IsNoneOfWhatTheUsersOwnGroupMayWriteTo) {
  mode(folder_, 0775);
  EXPECT_EQ(exposure(), "");
}

TEST_F(ExposureTest, NamesAnybodyStickyOrNot) {
  for (const mode_t bits : {0777, 01777, 0757}) {
    mode(folder_, bits);
    expect_parts(exposure(), {"anybody", "plugin folder " + folder_.string()});
  }
}

TEST_F(ExposureTest, NamesAForeignGroup) {
  if (!give_to_strangers(folder_)) GTEST_SKIP() << "only root can give a folder away";
  mode(folder_, 0755);
  EXPECT_EQ(exposure(), "");
  mode(folder_, 0775);
  expect_parts(exposure(), {"group 54321"});
}

TEST_F(ExposureTest, NamesAForeignOwner) {
  if (!give_to_strangers(folder_, 12345)) GTEST_SKIP() << "only root can give a folder away";
  mode(folder_, 0555);
  expect_parts(exposure(), {"user 12345", "owns"});
}

TEST_F(ExposureTest, NamesAFolderAboveInWhichItCanBeReplaced) {
  mode(above_ / "above", 0777);
  expect_parts(exposure(), {"anybody", (above_ / "above").string() + " and so replace", folder_.string()});
  mode(above_ / "above", 01777);
  EXPECT_EQ(exposure(), "") << "the sticky bit keeps others from replacing it";
}

TEST_F(ExposureTest, LeavesOutFoldersAboveTheProgramItself) {
  mode(above_ / "above", 0777);
  EXPECT_EQ(exposure_of(folder_, {}, above_ / "above/bin/osteon"), "");
  EXPECT_NE(exposure_of(folder_, {}, above_ / "above2/bin/osteon"), "") << "another folder of a similar name";
}

TEST_F(ExposureTest, NamesLibrariesInASafeFolderInOneSentence) {
  const fs::path a = above_.write("above/plugins/a.so", ""), b = above_.write("above/plugins/b.so", ""),
                 c = above_.write("above/plugins/c.so", "");
  mode(a, 0644), mode(b, 0666), mode(c, 0646);
  expect_parts(exposure({a, b, c}), {"anybody", "b.so", "1 more"});
  expect_parts(exposure({a, b}), {"anybody may write to b.so in the plugin folder " + folder_.string()});
}

TEST_F(ExposureTest, IsNoneOfWhatIsNotThere) {
  EXPECT_EQ(exposure_of(above_ / "absent", {above_ / "absent/a.so"}, "/usr/bin/osteon"), "");
}

}  // namespace
}  // namespace osteon::plugin
