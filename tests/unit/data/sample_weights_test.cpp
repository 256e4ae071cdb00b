// SPDX-License-Identifier: Apache-2.0
#include "data/sample_weights.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/data/files.hpp"

namespace osteon::data {
namespace {

using testing::HasSubstr;
using tests::error_of;
using tests::TemporaryFolder;
using tests::write_bytes;

TEST(SampleWeights, ReadsImagesAndTheirWeights) {
  const TemporaryFolder folder;
  write_bytes(folder / "w.csv",
              "\xef\xbb\xbfimage,weight\r\np1/left.png,0.5\r\n\"with, comma.png\",2e0\r\nnone.png,0\r\n");
  const auto weights = read_sample_weights(folder / "w.csv");
  ASSERT_EQ(weights.size(), 3u);
  EXPECT_EQ(weights[0].image, "p1/left.png");
  EXPECT_EQ(weights[0].weight, 0.5);
  EXPECT_EQ(weights[1].image, "with, comma.png");
  EXPECT_EQ(weights[1].weight, 2);
  EXPECT_EQ(weights[1].where, (folder / "w.csv").string() + ":3");
  EXPECT_EQ(weights[2].weight, 0);
  write_bytes(folder / "empty.csv", "image,weight\n");
  EXPECT_TRUE(read_sample_weights(folder / "empty.csv").empty());
}

TEST(SampleWeights, RefusesWithTheLine) {
  const TemporaryFolder folder;
  const struct {
    const char *text, *line, *message;
  } cases[] = {
      {"", ":1", "the first line of a file of weights is `image,weight`"},
      {"name,weight\na.png,1\n", ":1", "the first line"},
      {"image,weight\na.png\n", ":2", "has 1 fields"},
      {"image,weight\na.png,1\nb.png,1,2\n", ":3", "has 3 fields"},
      {"image,weight\na.png,heavy\n", ":2", "the weight is 'heavy'"},
      {"image,weight\na.png,1 \n", ":2", "the weight is '1 '"},
      {"image,weight\na.png,\n", ":2", "the weight is ''"},
      {"image,weight\na.png,-0.5\n", ":2", "weights are finite and not below 0"},
      {"image,weight\na.png,inf\n", ":2", "weights are finite"},
      {"image,weight\na.png,nan\n", ":2", "weights are finite"},
      {"image,weight\na.png,1e200\n", ":2", "weights are finite"},
      {"image,weight\na.png,1\nb.png,1\na.png,2\n", ":4", "has a weight already, in"},
      {"image,weight\n\"a.png,1\n", ":2", "a quoted field is never closed"},
  };
  for (const auto& c : cases) {
    write_bytes(folder / "w.csv", c.text);
    const Error error = error_of([&] { read_sample_weights(folder / "w.csv"); });
    EXPECT_EQ(error.code(), ExitCode::kData) << c.text;
    EXPECT_THAT(error.what(), HasSubstr(c.message)) << c.text;
    EXPECT_EQ(error.where(), (folder / "w.csv").string() + c.line) << c.text;
  }
  EXPECT_EQ(error_of([&] { read_sample_weights(folder / "missing.csv"); }).code(), ExitCode::kData);
}

}  // namespace
}  // namespace osteon::data
