// SPDX-License-Identifier: Apache-2.0
#include "base/visible.hpp"

#include <gtest/gtest.h>

namespace osteon {
namespace {

TEST(Visible, KeepsWhatCanBeRead) {
  for (const char* text :
       {"", "plain", "\xc3\xa9\xe2\x82\xac\xf0\x9f\xa6\xb4", "\xc2\xa0\xdf\xbf\xe0\xa0\x80\xf4\x8f\xbf\xbf"})
    EXPECT_EQ(visible(text), text);
}

TEST(Visible, HidesControls) {
  EXPECT_EQ(visible("a \033[31mred\033[0m\r\b\x7f"), "a ?[31mred?[0m???");
  EXPECT_EQ(visible("\xc2\x9b"
                    "2J"),
            "?2J")
      << "U+009B begins a sequence too";
  EXPECT_EQ(visible("\xc2\x85|\xe2\x80\xae|\xe2\x81\xa6|\xe2\x80\xa8|\xd8\x9c"), "?|?|?|?|?");
  EXPECT_EQ(visible(std::string("a\0b", 3)), "a?b");
  EXPECT_EQ(visible("one\ntwo\t"), "one?two?");
}

TEST(Visible, HidesBytesThatAreNoUtf8) {
  EXPECT_EQ(visible("\x9b"
                    "2J"),
            "?2J");
  EXPECT_EQ(visible("\xc3"), "?");
  EXPECT_EQ(visible("\xc3("), "?(");
  EXPECT_EQ(visible("\xc0\x9b"), "??") << "a long way of writing another character";
  EXPECT_EQ(visible("\xe0\x80\x9b"), "???");
  EXPECT_EQ(visible("\xed\xa0\x80"), "???") << "half a pair of UTF-16";
  EXPECT_EQ(visible("\xf5\x80\x80\x80"), "????");
}

TEST(Visible, KeepsLinesWhereTheyAreMeant) { EXPECT_EQ(visible_lines("one\n\ttwo\033\n"), "one\n\ttwo?\n"); }

}  // namespace
}  // namespace osteon
