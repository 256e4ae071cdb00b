// SPDX-License-Identifier: Apache-2.0
#include "data/inputs.hpp"

#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include "data/image.hpp"
#include "data/listing.hpp"
#include "unit/data/files.hpp"

namespace osteon::data {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using tests::error_of;
using tests::TemporaryFolder;
using tests::write_bytes;

class FoundInputs : public testing::Test {
 protected:
  FoundInputs() {
    spdlog::set_default_logger(
        std::make_shared<spdlog::logger>("", std::make_shared<spdlog::sinks::ostream_sink_st>(said_)));
  }
  ~FoundInputs() override { spdlog::set_default_logger(before_); }
  std::vector<std::string> found(const std::vector<std::string>& names, const std::string& output = "out") const {
    std::vector<std::string> arguments, files;
    for (const std::string& name : names) arguments.push_back((folder_ / name).string());
    for (const fs::path& file : find_inputs(arguments, [&](const fs::path& path) { return path.filename() == output; }))
      files.push_back(file.lexically_relative(folder_.path()).string());
    return files;
  }
  void add(const std::string& name) const { write_bytes(folder_ / name, "x"); }

  TemporaryFolder folder_;
  std::ostringstream said_;

 private:
  std::shared_ptr<spdlog::logger> before_ = spdlog::default_logger();
};

TEST_F(FoundInputs, AreTheImagesOfAFolderAtAnyDepth) {
  for (const char* name : {"in/b.PNG", "in/a/c.pgm", "in/a/d.jp2", "in/notes.txt", "in/.hidden.png", "in/.h/e.png",
                           "in/__MACOSX/f.png", "in/z/__MACOSX/g.png", "in/z/h.webp"})
    add(name);
  EXPECT_THAT(found({"in"}), ElementsAre("in/a/c.pgm", "in/a/d.jp2", "in/b.PNG", "in/z/h.webp"));
  EXPECT_EQ(visible_files_below(folder_ / "in").size(), 5u) << "training sees the same, and what are no images";
}

TEST_F(FoundInputs, AreThoseBehindLinksToo) {
  add("in/a.png");
  add("real/b.png");
  fs::create_directory_symlink("../real", folder_ / "in/p2");
  fs::create_symlink("nowhere.png", folder_ / "in/gone.png");
  fs::create_symlink("nowhere", folder_ / "in/p3");
  EXPECT_THAT(found({"in"}), ElementsAre("in/a.png", "in/gone.png", "in/p2/b.png"));
  EXPECT_THAT(said_.str(), HasSubstr("in/p3: this link leads nowhere"));
  EXPECT_THAT(found({"in/gone.png"}), ElementsAre("in/gone.png")) << "reading it names it";
}

TEST_F(FoundInputs, AreNotSoughtInCircles) {
  add("in/a/b.png");
  fs::create_directory_symlink("..", folder_ / "in/a/up");
  fs::create_symlink("self", folder_ / "in/self");
  EXPECT_THAT(found({"in"}), ElementsAre("in/a/b.png"));
  EXPECT_THAT(said_.str(), HasSubstr("in/a/up: this link leads back"));
}

TEST_F(FoundInputs, OfAPatternAreWhatTheShellWouldName) {
  for (const char* name : {"in/a.png", "in/b.jpg", "in/deep/c.png", "in/.hidden.png", "out/d.png"}) add(name);
  EXPECT_THAT(found({"in/*"}), ElementsAre("in/a.png", "in/b.jpg", "in/deep/c.png"));
  EXPECT_THAT(found({"in/*.{jpg,png}"}), ElementsAre("in/b.jpg", "in/a.png"));
  EXPECT_THAT(found({"*"}), ElementsAre("in/a.png", "in/b.jpg", "in/deep/c.png"));
  EXPECT_THAT(found({"in/[b]*"}), ElementsAre("in/b.jpg"));
  EXPECT_EQ(error_of([&] { found({"in/*.bmp"}); }).code(), ExitCode::kData);
  add("in/[b].png");
  EXPECT_THAT(found({"in/[b].png"}), ElementsAre("in/[b].png")) << "a file of that name comes first";
}

TEST_F(FoundInputs, LeaveTheOutputOut) {
  for (const char* name : {"in/a.png", "in/out/b.png", "in/p/out/c.png"}) add(name);
  EXPECT_THAT(found({"in", "in/out"}), ElementsAre("in/a.png"));
  EXPECT_THAT(said_.str(), HasSubstr("in/out: belongs to the output"));
  EXPECT_EQ(error_of([&] { found({"in/out"}); }).code(), ExitCode::kUsage);
}

TEST_F(FoundInputs, AreTakenOnce) {
  add("in/a.png");
  EXPECT_THAT(found({"in/a.png", "in", "in/../in/a.png"}), ElementsAre("in/a.png"));
  EXPECT_THAT(said_.str(), HasSubstr("named twice"));
}

TEST_F(FoundInputs, AreFilesAndNotFifosOrDevices) {
  fs::create_directories(folder_ / "in");
  ASSERT_EQ(::mkfifo((folder_ / "in/pipe.png").c_str(), 0600), 0);
  EXPECT_THAT(found({"in"}), ElementsAre("in/pipe.png"));
  for (const fs::path& path : {folder_ / "in/pipe.png", fs::path("/dev/zero")}) {
    const Error error = error_of([&] { read_image(path); });
    EXPECT_EQ(error.code(), ExitCode::kData);
    EXPECT_EQ(error.where(), path.string());
    EXPECT_THAT(error.what(), HasSubstr("FIFO"));
  }
}

TEST_F(FoundInputs, NameAFolderThatCannotBeRead) {
  if (::geteuid() == 0) GTEST_SKIP() << "nothing is unreadable for root";
  add("in/a.png");
  add("in/closed/b.png");
  fs::permissions(folder_ / "in/closed", fs::perms::none);
  const Error of_walk = error_of([&] { found({"in"}); }), of_pattern = error_of([&] { found({"in/*/*.png"}); });
  fs::permissions(folder_ / "in/closed", fs::perms::owner_all);
  for (const Error& error : {of_walk, of_pattern}) {
    EXPECT_EQ(error.code(), ExitCode::kData);
    EXPECT_THAT(error.where(), HasSubstr("in/closed"));
  }
  // It can be listed, but not what is in it.
  add("listed/p/a.png");
  fs::permissions(folder_ / "listed", fs::perms::owner_read);
  const Error of_folder = error_of([&] { found({"listed"}); });
  fs::permissions(folder_ / "listed", fs::perms::owner_all);
  EXPECT_EQ(of_folder.where(), (folder_ / "listed/p").string());
}

TEST_F(FoundInputs, NameAFolderWithoutImages) {
  fs::create_directories(folder_ / "in");
  EXPECT_EQ(error_of([&] { found({"in"}); }).where(), (folder_ / "in").string());
}

}  // namespace
}  // namespace osteon::data
