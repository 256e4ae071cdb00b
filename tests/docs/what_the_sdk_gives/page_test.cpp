// SPDX-License-Identifier: Apache-2.0
// That the snippets of docs/author/what-the-sdk-gives.md are lines of the sources beside this file, which compile and
// are tested, and that the page and the headers agree on names that a reader may copy.
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <osteon/abi/params.h>

namespace {

const std::filesystem::path kSources = OSTEON_SOURCE_DIR;
const std::filesystem::path kPage = kSources / "docs/author/what-the-sdk-gives.md";

std::string text_of(const std::filesystem::path& file) {
  std::ifstream in(file);
  EXPECT_TRUE(in) << file;
  return {std::istreambuf_iterator<char>(in), {}};
}

// Lines without their indentation, for a page has less of it than a source. Empty ones do not count.
std::string plain(const std::string& text) {
  std::istringstream in(text);
  std::string result = "\n";
  for (std::string line; std::getline(in, line);) {
    const std::size_t first = line.find_first_not_of(' ');
    if (first != std::string::npos) result += line.substr(first) + "\n";
  }
  return result;
}

// The C++ blocks of a page.
std::vector<std::string> snippets_of(const std::string& page) {
  std::vector<std::string> snippets;
  const std::string open = "```cpp\n", close = "```";
  for (std::size_t at = 0; (at = page.find(open, at)) != std::string::npos;) {
    at += open.size();
    const std::size_t end = page.find(close, at);
    snippets.push_back(page.substr(at, end - at));
    at = end + close.size();
  }
  return snippets;
}

TEST(WhatTheSdkGives, ShowsCodeThatCompiles) {
  std::string sources;
  for (const char* name : {"basics_test.cpp", "kinds_test.cpp", "torch_test.cpp"})
    sources += plain(text_of(kSources / "tests/docs/what_the_sdk_gives" / name));
  const auto snippets = snippets_of(text_of(kPage));
  EXPECT_GE(snippets.size(), 20u);
  for (const std::string& snippet : snippets)
    EXPECT_NE(sources.find(plain(snippet)), std::string::npos) << "no source has these lines:\n" << snippet;
}

TEST(WhatTheSdkGives, NamesEveryReservedKey) {
  const std::string page = text_of(kPage);
  for (const char* key : {OSTEON_RESERVED_KEYS})
    EXPECT_NE(page.find("`" + std::string(key) + "`"), std::string::npos) << key;
}

TEST(WhatTheSdkGives, IsLinkedFromEveryPageOfAuthors) {
  const auto links = [](const std::filesystem::path& file, const std::string& link) {
    return text_of(file).find(link) != std::string::npos;
  };
  for (const auto& entry : std::filesystem::directory_iterator(kSources / "docs/author"))
    EXPECT_TRUE(entry.path() == kPage || links(entry.path(), "(what-the-sdk-gives.md")) << entry.path();
  EXPECT_TRUE(links(kSources / "README.md", "(docs/author/what-the-sdk-gives.md)"));
  EXPECT_TRUE(links(kSources / "docs/index.md", "(author/what-the-sdk-gives.md)"));
  EXPECT_TRUE(links(kSources / "mkdocs.yml", "author/what-the-sdk-gives.md"));
}

}  // namespace
