// SPDX-License-Identifier: Apache-2.0
#include "base/suggest.hpp"

#include <gtest/gtest.h>

namespace osteon {
namespace {

TEST(Nearest, FindsWordsThatAreOneEditAway) {
  const std::vector<std::string> words = {"rotate", "horizontal_flip", "unet"};
  EXPECT_EQ(nearest("rotat", words), "rotate");    // a letter is missing
  EXPECT_EQ(nearest("rotatee", words), "rotate");  // one too many
  EXPECT_EQ(nearest("rotade", words), "rotate");   // another one
  EXPECT_EQ(nearest("rotaet", words), "rotate");   // two neighbours have changed places: one edit, not two
  EXPECT_EQ(nearest("utne", {"tune"}), "tune");
}

TEST(Nearest, TakesTheLeastDistanceAndTheFirstOfEqualOnes) {
  EXPECT_EQ(nearest("resnet3", {"resnet", "resnet34", "resnet50"}), "resnet");
  EXPECT_EQ(nearest("resnet5", {"resnet34", "resnet50"}), "resnet50");
}

TEST(Nearest, AllowsAThirdOfTheWordAndAtLeastOneEdit) {
  EXPECT_EQ(nearest("lt", {"lr"}), "lr");
  EXPECT_EQ(nearest("ab", {"xy"}), "");
  EXPECT_EQ(nearest("abcdef", {"abcdxy"}), "abcdxy");  // 2 of 6
  EXPECT_EQ(nearest("abcdef", {"abcxyz"}), "");        // 3 of 6
}

TEST(Nearest, KnowsNothingWithoutCandidatesOrForWordsThatAreFarFromAll) {
  EXPECT_EQ(nearest("anything", {}), "");
  EXPECT_EQ(nearest("segformer", {"unet", "bce"}), "");
  EXPECT_EQ(nearest("", {"unet"}), "");
}

TEST(DidYouMean, IsAHalfSentenceOrNothing) {
  EXPECT_EQ(suggestion("unett", {"unet"}), "did you mean 'unet'?");
  EXPECT_EQ(suggestion("segformer", {"unet"}), "");
  EXPECT_EQ(did_you_mean("unett", {"unet"}), ", did you mean 'unet'?");
  EXPECT_EQ(did_you_mean("segformer", {"unet"}), "");
}

}  // namespace
}  // namespace osteon
