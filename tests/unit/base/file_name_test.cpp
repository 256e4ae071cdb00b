// SPDX-License-Identifier: Apache-2.0
#include "base/file_name.hpp"

#include <set>

#include <gtest/gtest.h>

namespace osteon {
namespace {

TEST(FileNameOf, KeepsNamesThatAreOnes) {
  for (const char* name : {"finger-1", "Os capitatum", "50%", "ул. Мира", "a.b", "%", "%2"})
    EXPECT_EQ(file_name_of(name), name);
}

TEST(FileNameOf, EncodesWhatCannotStandInOne) {
  EXPECT_EQ(file_name_of("left/right"), "left%2Fright");
  EXPECT_EQ(file_name_of(".."), "%2E.");
  EXPECT_EQ(file_name_of(".hidden"), "%2Ehidden");
  EXPECT_EQ(file_name_of("a\nb"), "a%0Ab");
}

TEST(FileNameOf, KeepsDifferentNamesDifferent) {
  const std::string parts = "%/2F.f";
  std::set<std::string> names, encoded;
  std::vector<std::string> last = {""};
  for (int length = 1; length <= 5; ++length) {
    std::vector<std::string> longer;
    for (const std::string& name : last)
      for (const char c : parts) longer.push_back(name + c);
    for (const std::string& name : longer) {
      names.insert(name);
      encoded.insert(file_name_of(name));
    }
    last = longer;
  }
  EXPECT_EQ(encoded.size(), names.size());
}

TEST(BoundedFileName, LeavesRoomForAnExtension) {
  const std::string longest(240, 'a');
  EXPECT_EQ(bounded_file_name(longest), longest);
  const std::string one = bounded_file_name(longest + "1"), two = bounded_file_name(longest + "2");
  EXPECT_LE(one.size(), 240u);
  EXPECT_NE(one, two);
  std::string umlauts;
  for (int i = 0; i < 125; ++i) umlauts += "ä";
  const std::string cut = bounded_file_name(umlauts);
  EXPECT_EQ(cut.find('~') % 2, 0u) << "a character was cut in two";
}

}  // namespace
}  // namespace osteon
