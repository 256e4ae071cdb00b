// SPDX-License-Identifier: Apache-2.0
#include "data/label_file.hpp"

#include <gtest/gtest.h>

#include "base/error.hpp"
#include "files.hpp"

namespace osteon::data {
namespace {

using tests::make_png;
using tests::write_bytes;

class LabelFile : public ::testing::Test {
 protected:
  LabelFile() {
    options_.classes = {LabelKind::kMultilabel, {"a", "b/c"}, {}};
    write_bytes(image(), make_png(3, {std::string(3, '\x50'), std::string(3, '\x60')}, 8, 0));
  }
  std::filesystem::path image() const { return folder_.path() / "hand.png"; }
  std::filesystem::path file(const std::string& name, const std::string& bytes) const {
    write_bytes(folder_.path() / name, bytes);
    return folder_.path() / name;
  }
  static std::string mask(const std::string& top, const std::string& bottom) {
    return make_png(static_cast<int>(top.size()), {top, bottom}, 8, 0);
  }
  void refuses(const std::filesystem::path& path, const std::string& where) const {
    try {
      read_label_file(path, image(), options_);
      ADD_FAILURE() << path << " was read";
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ExitCode::kData);
      EXPECT_NE(e.where().find(where), std::string::npos) << e.where();
    }
  }
  tests::TemporaryFolder folder_;
  DatasetOptions options_;
};

TEST_F(LabelFile, ReadsAFolderOfMasks) {
  file("masks/a.png", mask({"\1\0\0", 3}, {"\1\0\0", 3}));
  file("masks/b%2Fc.png", mask({"\1\1\0", 3}, {"\0\0\0", 3}));
  const Labels labels = read_label_file(folder_.path() / "masks", image(), options_);
  EXPECT_EQ(labels.areas(), (std::vector<std::int64_t>{2, 2}));
  EXPECT_TRUE(labels.knows(1));
}

TEST_F(LabelFile, ReadsAnAbsentMaskAsTheDataSetDoes) {
  file("masks/a.png", mask({"\1\0\0", 3}, {"\1\0\0", 3}));
  refuses(folder_.path() / "masks", "b%2Fc.png");
  options_.absent = Absent::kUnknown;
  EXPECT_FALSE(read_label_file(folder_.path() / "masks", image(), options_).knows(1));
  options_.absent = Absent::kEmpty;
  EXPECT_TRUE(read_label_file(folder_.path() / "masks", image(), options_).knows(1));
  std::filesystem::create_directories(folder_.path() / "none");
  refuses(folder_.path() / "none", "none");
}

TEST_F(LabelFile, ReadsPolygonsAndIndices) {
  const auto json = file("hand.json", R"({"annotations": [
    {"type": "poly_seg", "label": "a", "points": [[0, 0], [1, 0], [1, 1]]}, {"type": "empty", "label": "b/c"}]})");
  EXPECT_GT(read_label_file(json, image(), options_).areas()[0], 0);
  const auto index = file("index.png", mask({"\0\1\xFF", 3}, {"\0\1\1", 3}));
  const Labels labels = read_label_file(index, image(), options_);
  EXPECT_EQ(labels.areas(), (std::vector<std::int64_t>{2, 3}));
  EXPECT_EQ(labels.valid().at<std::uint8_t>(0, 2), 0);
}

TEST_F(LabelFile, NamesTheFileThatDoesNotSuit) {
  refuses(folder_.path() / "no.png", "no.png");
  refuses(file("large.png", mask({"\0\0\0\0", 4}, {"\0\0\0\0", 4})), "large.png");
  refuses(file("odd.png", mask({"\7\0\0", 3}, {"\0\0\0", 3})), "odd.png");
  refuses(file("bad.json", "{"), "bad.json");
}

}  // namespace
}  // namespace osteon::data
