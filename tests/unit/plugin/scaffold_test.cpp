// SPDX-License-Identifier: Apache-2.0
#include "plugin/scaffold.hpp"

#include "base/file.hpp"
#include "unit/plugin/libraries.hpp"

namespace osteon::plugin {
namespace {

namespace fs = std::filesystem;
using test::TemporaryFolder;

class ScaffoldTest : public testing::TestWithParam<Kind> {
 protected:
  ScaffoldRequest request() const {
    ScaffoldRequest request;
    request.kind = GetParam();
    request.name = "two_words";
    request.folder = folder_ / "made";
    request.prefix = "/opt/osteon";
    request.templates = fs::path(OSTEON_SOURCE_DIR) / "sdk/templates";
    request.documentation = "/opt/osteon/share/doc/osteon";
    request.examples = "/opt/osteon/share/osteon/examples";
    return request;
  }
  TemporaryFolder folder_;
};

TEST_P(ScaffoldTest, FillsInEveryPlaceholder) {
  const std::vector<fs::path> files = write_scaffold(request());
  EXPECT_EQ(files.size(), 6u);
  for (const fs::path& file : files) {
    EXPECT_EQ(file.string().find("__"), std::string::npos) << file;
    EXPECT_EQ(read_file(file).find("__"), std::string::npos) << file;
  }
  const std::string readme = read_file(folder_ / "made/README.md");
  EXPECT_NE(readme.find("/opt/osteon/share/doc/osteon/author/what-the-sdk-gives.md"), std::string::npos);
  EXPECT_NE(readme.find("/opt/osteon/share/osteon/examples"), std::string::npos);
  // The tutorial that it names is one of those that there are.
  const std::string tutorial = std::string("author/") + to_string(GetParam()) + ".md";
  EXPECT_NE(readme.find(tutorial), std::string::npos);
  EXPECT_TRUE(fs::exists(fs::path(OSTEON_SOURCE_DIR) / "docs" / tutorial));
}

TEST_P(ScaffoldTest, PrecompilesWhatKnowsLibTorch) {
  write_scaffold(request());
  const std::string lists = read_file(folder_ / "made/CMakeLists.txt");
  const bool torch = read_file(folder_ / "made/two_words.hpp").find("osteon/sdk/torch/") != std::string::npos;
  for (const char* part : {"COMPONENTS torch", "LINK osteon::torch", "PRECOMPILE", "-O1"})
    EXPECT_EQ(lists.find(part) != std::string::npos, torch) << part;
}

TEST_P(ScaffoldTest, LeavesAloneWhatIsThere) {
  write_scaffold(request());
  EXPECT_THROW(write_scaffold(request()), Error);
  ScaffoldRequest other = request();
  other.folder = folder_ / "other";
  other.name = "Two-Words";
  EXPECT_THROW(write_scaffold(other), Error);
  EXPECT_FALSE(fs::exists(other.folder));
}

INSTANTIATE_TEST_SUITE_P(EveryKind, ScaffoldTest,
                         testing::Values(Kind::kModel, Kind::kLoss, Kind::kAugmentation, Kind::kPostprocessor,
                                         Kind::kEnsembler),
                         [](const auto& kind) { return std::string(to_string(kind.param)); });

}  // namespace
}  // namespace osteon::plugin
