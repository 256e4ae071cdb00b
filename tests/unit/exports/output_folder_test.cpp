// SPDX-License-Identifier: Apache-2.0
#include "exports/output_folder.hpp"

#include <algorithm>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/data/files.hpp"

namespace osteon::exports {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using tests::TemporaryFolder;

std::vector<std::string> images(const std::vector<fs::path>& inputs) {
  std::vector<std::string> names;
  for (const OutputName& name : output_names(inputs)) names.push_back(name.image);
  return names;
}

std::vector<std::string> files(const std::vector<fs::path>& inputs) {
  std::vector<std::string> names;
  for (const OutputName& name : output_names(inputs)) names.push_back(name.file);
  return names;
}

TEST(OutputNames, AreTheFilesNamesWhereTheseDiffer) {
  EXPECT_THAT(images({"a/hand.png", "b/foot.jpg"}), ElementsAre("hand.png", "foot.jpg"));
  EXPECT_THAT(files({"a/hand.png", "b/foot.jpg"}), ElementsAre("hand", "foot"));
}

TEST(OutputNames, OfOneStemKeepTheirExtensions) {
  EXPECT_THAT(images({"hand.png", "hand.jpg", "foot.png"}), ElementsAre("hand.png", "hand.jpg", "foot.png"));
  EXPECT_THAT(files({"hand.png", "hand.jpg", "foot.png"}), ElementsAre("hand.png", "hand.jpg", "foot"));
  EXPECT_THAT(files({"a/hand.png", "b/hand.jpg"}), ElementsAre("hand.png", "hand.jpg"));
}

TEST(OutputNames, OfTwoFoldersBeginWithThese) {
  EXPECT_THAT(images({"p1/hand.png", "p2/hand.png", "hand.jpg"}),
              ElementsAre("p1_hand.png", "p2_hand.png", "hand.jpg"));
  EXPECT_THAT(files({"p1/hand.png", "p2/hand.png", "hand.jpg"}), ElementsAre("p1_hand", "p2_hand", "hand"));
  EXPECT_THAT(files({"x/p/hand.png", "y/p/hand.png"}), ElementsAre("x_p_hand", "y_p_hand"));
}

// Names that were made to differ meet names that files have already.
TEST(OutputNames, DifferWhateverTheFilesAreCalled) {
  std::vector<fs::path> inputs = {"/a/b/c.png", "/a_b/c.png",   "/a/b_c.png", "/b_c.png",     "/c.png",      "/c.jpg",
                                  "/c.png.bmp", "/x/c.png",     "/a_b_c.png", "/%2Fc.png",    "/d/%2Fc.png", "/d/c.png",
                                  "/c",         "/c.png/c.png", "/c.jpg.png", "/a/b/c.png.x", "/%2Fc.png.x"};
  std::sort(inputs.begin(), inputs.end());
  std::set<std::set<std::string>> by_order;
  do {
    const std::vector<std::string> image_names = images(inputs), file_names = files(inputs);
    EXPECT_EQ(std::set<std::string>(image_names.begin(), image_names.end()).size(), inputs.size());
    EXPECT_EQ(std::set<std::string>(file_names.begin(), file_names.end()).size(), inputs.size());
    for (const std::string& name : file_names) EXPECT_EQ(name.find('/'), std::string::npos);
    by_order.emplace(file_names.begin(), file_names.end());
    std::rotate(inputs.begin(), inputs.begin() + 1, inputs.end());
  } while (!std::is_sorted(inputs.begin(), inputs.end()));
  EXPECT_EQ(by_order.size(), 1u) << "names depend on the order of the inputs";
}

TEST(OutputNames, AreNoLongerThanFileSystemsTake) {
  const std::string longest(251, 'x');
  for (const std::string& name : files({longest + ".png", longest + ".jpg"})) EXPECT_LE(name.size() + 12, 255u);
}

TEST(OutputFolder, OwnsItselfAndWhatItWrites) {
  const TemporaryFolder folder;
  fs::create_directories(folder / "in/out/masks/a");
  fs::create_directory_symlink(folder / "in/out", folder / "link");
  const OutputFolder out(folder / "in/out/");
  for (const char* own : {"in/out", "in/out/", "in/../in/out", "link", "link/masks/a/b.png", "in/out/overlays"})
    EXPECT_TRUE(out.owns(folder / own)) << own;
  for (const char* other : {"in", "in/out2", "in/out/a.png", "in/out/masks2/a.png", "in/masks"})
    EXPECT_FALSE(out.owns(folder / other)) << other;
  EXPECT_TRUE(OutputFolder("not_there_yet").owns(fs::absolute("not_there_yet")));
}

}  // namespace
}  // namespace osteon::exports
