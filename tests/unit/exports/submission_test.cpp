// SPDX-License-Identifier: Apache-2.0
#include "exports/submission.hpp"

#include <gtest/gtest.h>

#include "unit/data/files.hpp"

namespace osteon::exports {
namespace {

using tests::read_bytes;
using tests::TemporaryFolder;
using tests::write_bytes;

TEST(Submission, WritesImagesAndClassesInOrder) {
  const TemporaryFolder folder;
  const auto path = folder / "out/submission.csv";
  SubmissionWriter writer(path, {"finger-1", "Radius"});
  data::Labels labels(2, {2, 2});
  labels.add(1, cv::Mat::ones(2, 2, CV_8UC1));
  writer.add("b.png", labels);
  writer.add("a, the \"first\".png", std::vector<std::string>{"1 1 3 1", ""});
  EXPECT_FALSE(std::filesystem::exists(path)) << "nothing shows before finish()";
  writer.finish();
  EXPECT_EQ(read_bytes(path),
            "image_name,class,rle\n"
            "b.png,finger-1,\n"
            "b.png,Radius,1 4\n"
            "\"a, the \"\"first\"\".png\",finger-1,1 1 3 1\n"
            "\"a, the \"\"first\"\".png\",Radius,\n");
  EXPECT_THROW(writer.add("c.png", labels), Error);

  SubmissionReader reader(path);
  SubmissionRow row;
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(reader.next(row));
  EXPECT_EQ(row.image_name, "a, the \"first\".png");
  EXPECT_EQ(row.class_name, "finger-1");
  EXPECT_EQ(row.rle, "1 1 3 1");
  ASSERT_TRUE(reader.next(row));
  EXPECT_FALSE(reader.next(row));
}

TEST(Submission, LeavesNothingBehindUnlessFinished) {
  const TemporaryFolder folder;
  {
    SubmissionWriter writer(folder / "a.csv", {"x"});
    writer.add("1.png", std::vector<std::string>{""});
    EXPECT_THROW(writer.add("2.png", std::vector<std::string>{"", ""}), Error);
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(Submission, ReaderRefusesOtherTables) {
  const TemporaryFolder folder;
  write_bytes(folder / "header.csv", "image,class,rle\n");
  EXPECT_THROW(SubmissionReader(folder / "header.csv"), Error);
  EXPECT_THROW(SubmissionReader(folder / "missing.csv"), Error);
  write_bytes(folder / "short.csv", "image_name,class,rle\na,b,\na,b\n");
  SubmissionReader reader(folder / "short.csv");
  SubmissionRow row;
  ASSERT_TRUE(reader.next(row));
  EXPECT_EQ(tests::error_of([&] { reader.next(row); }).where(), (folder / "short.csv").string() + ":3");
}

}  // namespace
}  // namespace osteon::exports
