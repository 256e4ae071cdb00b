// SPDX-License-Identifier: Apache-2.0
#include "base/file.hpp"

#include <cstdlib>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/error.hpp"
#include "support/program.hpp"

namespace osteon {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

std::size_t files_in(const fs::path& folder) {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

class File : public ::testing::Test {
 protected:
  test::TemporaryFolder folder_;
};

TEST_F(File, ReadsBackWhatWasWrittenByteForByte) {
  const std::string bytes("a\0b\r\n\xff", 6);
  write_file_atomically(folder_ / "a.bin", bytes);
  EXPECT_EQ(read_file(folder_ / "a.bin"), bytes);
  write_file_atomically(folder_ / "a.bin", "");
  EXPECT_EQ(read_file(folder_ / "a.bin"), "");
}

TEST_F(File, MakesMissingFoldersAndLeavesNothingElseBehind) {
  const fs::path path = folder_ / "a" / "b" / "c.txt";
  write_file_atomically(path, "x");
  EXPECT_EQ(read_file(path), "x");
  EXPECT_EQ(files_in(path.parent_path()), 1u);
}

TEST_F(File, ErrorsOfReadingNameThePathAndTheReason) {
  for (const fs::path& path : {folder_ / "absent", folder_.path()}) try {
      read_file(path);
      FAIL() << path;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ExitCode::kData);
      EXPECT_EQ(e.where(), path.string());
    }
  try {
    read_file(folder_ / "absent");
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), HasSubstr("No such file"));
  }
}

TEST_F(File, ErrorsOfWritingAreResourceErrors) {
  write_file_atomically(folder_ / "file", "x");
  try {
    write_file_atomically(folder_ / "file" / "below", "y");
    FAIL() << "wrote below a file";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::kResources);
    EXPECT_FALSE(e.where().empty());
  }
}

TEST_F(File, AWriterThatFailsLeavesTheOldFileAndNoTemporaryOne) {
  const fs::path path = folder_ / "mask.png";
  write_file_atomically(path, "old");
  EXPECT_THROW(write_atomically(path,
                                [](const fs::path& temporary) {
                                  test::write_text(temporary, "half of it");
                                  throw Error(ExitCode::kData, "the encoder failed");
                                }),
               Error);
  EXPECT_EQ(read_file(path), "old");
  EXPECT_EQ(files_in(folder_.path()), 1u);
}

TEST_F(File, AWriterGetsAPathInTheSameFolderWithTheSameExtension) {
  const fs::path path = folder_ / "mask.png";
  write_atomically(path, [&](const fs::path& temporary) {
    EXPECT_EQ(temporary.parent_path(), path.parent_path());
    EXPECT_EQ(temporary.extension(), ".png");
    EXPECT_NE(temporary, path);
    test::write_text(temporary, "new");
  });
  EXPECT_EQ(read_file(path), "new");
}

// FIPS 180-2, appendix B.
TEST_F(File, DigestsAreThoseOfTheStandard) {
  EXPECT_EQ(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  write_file_atomically(folder_ / "million", std::string(1000000, 'a'));
  EXPECT_EQ(sha256_file(folder_ / "million"), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  EXPECT_THROW(sha256_file(folder_ / "absent"), Error);
}

TEST(CacheFolder, FollowsTheEnvironmentInItsOrder) {
  ::setenv("OSTEON_CACHE_DIR", "/one", 1);
  ::setenv("XDG_CACHE_HOME", "/two", 1);
  ::setenv("HOME", "/three", 1);
  EXPECT_EQ(cache_folder(), "/one");
  ::setenv("OSTEON_CACHE_DIR", "", 1);  // empty means unset
  EXPECT_EQ(cache_folder(), "/two/osteon");
  ::unsetenv("XDG_CACHE_HOME");
  EXPECT_EQ(cache_folder(), "/three/.cache/osteon");
  ::unsetenv("HOME");
  EXPECT_TRUE(cache_folder().is_absolute());
}

TEST_F(File, IsNotThereWhereTheFileSystemDoesNotSaySo) {
  write_file_atomically(folder_ / "a", "x");
  fs::create_symlink("circle", folder_ / "circle");
  const fs::path too_long = folder_ / std::string(5000, 'a');
  EXPECT_TRUE(is_file(folder_ / "a"));
  EXPECT_TRUE(is_there(folder_.path()));
  EXPECT_FALSE(is_file(folder_.path()));
  for (const fs::path& path : {folder_ / "circle", too_long, folder_ / "a" / "below", folder_ / "none"}) {
    EXPECT_FALSE(is_file(path)) << path;
    EXPECT_FALSE(is_there(path)) << path;
  }
}

TEST_F(File, ErrorsOfTheLibraryKeepTheirPath) {
  const auto code_of = [](std::errc error) {
    return error_of(fs::filesystem_error("", "a/b", std::make_error_code(error))).code();
  };
  EXPECT_EQ(code_of(std::errc::no_space_on_device), ExitCode::kResources);
  EXPECT_EQ(code_of(std::errc::too_many_files_open), ExitCode::kResources);
  EXPECT_EQ(code_of(std::errc::permission_denied), ExitCode::kData);
  const Error error = error_of(fs::filesystem_error("", "a/b", std::make_error_code(std::errc::filename_too_long)));
  EXPECT_EQ(error.where(), "a/b");
  EXPECT_STREQ(error.what(), "File name too long");
  const Error nameless = error_of(fs::filesystem_error("current_path", std::make_error_code(std::errc::io_error)));
  EXPECT_THAT(nameless.what(), HasSubstr("current_path"));
}

}  // namespace
}  // namespace osteon
