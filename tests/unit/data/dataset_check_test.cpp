// SPDX-License-Identifier: Apache-2.0
#include "data/dataset_check.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/data/toy_dataset.hpp"

namespace osteon::data {
namespace {

using ::testing::HasSubstr;

class CheckSamples : public ::testing::Test {
 protected:
  void write_mask(int image, const std::string& bytes) const { tests::write_bytes(mask(image), bytes); }
  std::filesystem::path mask(int image) const { return folder_ / ("masks/" + std::to_string(image) + ".png"); }

  const tests::TemporaryFolder folder_;
  std::unique_ptr<Dataset> dataset_ = tests::toy_dataset(folder_.path(), 6);
};

// A whole PNG by its chunks, in which there are no pixels to decode.
TEST_F(CheckSamples, LooksAtSizesWithoutDecodingAPixel) {
  std::string header = tests::big_endian(tests::kToyWidth) + tests::big_endian(tests::kToyHeight);
  header += {8, 0, 0, 0, 0};
  const std::string hollow = "\x89PNG\r\n\x1a\n" + tests::png_chunk("IHDR", header) +
                             tests::png_chunk("IDAT", "nothing") + tests::png_chunk("IEND", "");
  write_mask(1, hollow);
  tests::write_bytes(dataset_->samples()[2].image, hollow);
  BrokenSamples broken(OnBroken::kFail);
  EXPECT_NO_THROW(check_samples(*dataset_, {0, 1, 2}, broken, 2));
  EXPECT_THROW(dataset_->read_labels(1), Error);
}

TEST_F(CheckSamples, StopsAtTheFirstThatIsBrokenAmongThoseThatAreWanted) {
  write_mask(5, "");
  write_mask(3, tests::make_png(2, {"ab"}, 8, 0));
  write_mask(1, "no image");
  BrokenSamples broken(OnBroken::kFail);
  EXPECT_NO_THROW(check_samples(*dataset_, {0, 2, 4}, broken, 2));
  for (const int threads : {1, 3}) {
    const Error error = tests::error_of([&] { check_samples(*dataset_, {4, 3, 1, 5}, broken, threads); });
    EXPECT_EQ(error.code(), ExitCode::kData);
    EXPECT_EQ(error.where(), mask(3).string());
    EXPECT_THAT(error.what(), HasSubstr("2 x 1"));
  }
}

TEST_F(CheckSamples, NotesEveryBrokenSampleWhereTheyAreSkipped) {
  write_mask(5, "");
  std::filesystem::remove(dataset_->samples()[1].image);
  BrokenSamples broken(OnBroken::kSkip);
  int calls = 0;
  check_samples(*dataset_, {0, 1, 2, 3, 4, 5}, broken, 2, [&](int, int total) {
    ++calls;
    EXPECT_EQ(total, 6);
  });
  EXPECT_EQ(calls, 6);
  ASSERT_EQ(broken.count(), 2);
  EXPECT_EQ(broken.problems()[0].id, "1.png");
  EXPECT_EQ(broken.problems()[1].id, "5.png");
}

}  // namespace
}  // namespace osteon::data
