// SPDX-License-Identifier: Apache-2.0
#include "data/dataset.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "data/dataset_check.hpp"
#include "data/label_ops.hpp"
#include "unit/data/files.hpp"

namespace osteon::data {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using tests::error_of;
using tests::make_png;
using tests::TemporaryFolder;
using tests::write_bytes;

std::string grey_png(int width, int height, char value = 9) {
  return make_png(
      static_cast<std::uint32_t>(width),
      std::vector<std::string>(static_cast<std::size_t>(height), std::string(static_cast<std::size_t>(width), value)),
      8, 0);
}

std::string square(const std::string& label, int from, int to) {
  const auto point = [](int x, int y) { return "[" + std::to_string(x) + "," + std::to_string(y) + "]"; };
  return R"({"id":"1","type":"poly_seg","attributes":{},"label":")" + label + R"(","points":[)" + point(from, from) +
         "," + point(to, from) + "," + point(to, to) + "," + point(from, to) + "]}";
}

DatasetOptions options(std::vector<std::string> names, LabelKind kind = LabelKind::kMultilabel) {
  DatasetOptions result;
  result.classes.kind = kind;
  result.classes.names = std::move(names);
  return result;
}

std::vector<std::string> ids(const Dataset& dataset) {
  std::vector<std::string> result;
  for (const Sample& sample : dataset.samples()) result.push_back(sample.id);
  return result;
}

class Boostcamp : public testing::Test {
 protected:
  /// `annotated`: the order of the labels in the file varies, as in the real data.
  void add(const std::string& subset, const std::string& patient, const std::string& stem, bool annotated = true) {
    write_bytes(folder_.path() / subset / "DCM" / patient / (stem + ".png"), grey_png(12, 10));
    if (annotated)
      write_bytes(annotation(patient, stem),
                  R"({"annotations":[)" + square("Radius", 2, 5) + "," + square("finger-1", 4, 6) +
                      R"(],"filename":"other.jpg","metadata":{"width":3060,"height":3060}})");
  }
  std::filesystem::path annotation(const std::string& patient, const std::string& stem) const {
    return folder_.path() / "train" / "outputs_json" / patient / (stem + ".json");
  }
  std::unique_ptr<Dataset> open(DatasetOptions with = options({"finger-1", "Radius"})) const {
    return open_dataset("boostcamp", folder_.path(), std::move(with));
  }

  TemporaryFolder folder_;
};

TEST_F(Boostcamp, PairsByPatientAndStemWhateverTheNames) {
  add("train", "ID002", "image_1_L");
  add("train", "ID002", "image_1_R");
  add("train", "ID001", "image77");
  write_bytes(folder_ / "train/DCM/ID001/._image77.png", "rubbish of some file system");
  write_bytes(folder_ / "train/DCM/ID001/notes.txt", "not an image");
  const auto dataset = open();
  EXPECT_THAT(ids(*dataset), ElementsAre("image77.png", "image_1_L.png", "image_1_R.png"));
  EXPECT_EQ(dataset->samples()[0].group, "ID001");
  EXPECT_EQ(dataset->samples()[2].group, "ID002");
  EXPECT_TRUE(dataset->has_labels());
  EXPECT_EQ(dataset->read_image(0).size(), cv::Size(12, 10));
  const Labels labels = dataset->read_labels(0);
  EXPECT_EQ(labels.size(), cv::Size(12, 10));
  EXPECT_THAT(labels.areas(), ElementsAre(9, 16));
  EXPECT_EQ(labels.planes()[0].at<int>(4, 4), 3) << "both classes overlap here";
}

TEST_F(Boostcamp, ReadsATestSubsetWithoutAnnotations) {
  add("test", "ID040", "image9", false);
  DatasetOptions with = options({"finger-1", "Radius"});
  with.subset = "test";
  const auto dataset = open(with);
  EXPECT_FALSE(dataset->has_labels());
  EXPECT_EQ(dataset->read_image(0).size(), cv::Size(12, 10));
  EXPECT_THROW(dataset->read_labels(0), Error);
  EXPECT_TRUE(check_dataset(*dataset, 1).empty());
}

TEST_F(Boostcamp, NamesBothPlacesOfAMissingPartnerOrLeavesItOut) {
  add("train", "ID001", "a");
  add("train", "ID001", "b", false);
  const Error error = error_of([&] { open(); });
  EXPECT_EQ(error.code(), ExitCode::kData);
  EXPECT_THAT(error.where(), HasSubstr("DCM/ID001/b.png"));
  EXPECT_THAT(error.what(), HasSubstr("outputs_json/ID001/b.json"));

  EXPECT_THAT(error.what(), HasSubstr("there is a.json"));
  write_bytes(folder_ / "train/outputs_json/ID001/b.txt", "{}");
  EXPECT_THAT(error_of([&] { open(); }).what(), HasSubstr("there is b.txt, which is none"));

  std::filesystem::remove(folder_ / "train/DCM/ID001/b.png");
  write_bytes(annotation("ID001", "c"), "{}");
  EXPECT_THAT(error_of([&] { open(); }).what(), HasSubstr("DCM/ID001/c.png"));

  add("train", "ID002", "d");
  std::filesystem::remove_all(folder_ / "train/DCM/ID002");
  DatasetOptions skip = options({"finger-1", "Radius"});
  skip.on_broken = OnBroken::kSkip;
  const auto dataset = open(skip);
  EXPECT_THAT(ids(*dataset), ElementsAre("a.png"));
  EXPECT_EQ(dataset->left_out().size(), 2u);
}

TEST_F(Boostcamp, TellsEqualNamesOfTwoPatientsApart) {
  add("train", "ID001", "own");
  add("train", "ID001", "same");
  add("train", "ID002", "same");
  const auto dataset = open();
  EXPECT_THAT(ids(*dataset), ElementsAre("own.png", "ID001/same.png", "ID002/same.png"));
  EXPECT_EQ(dataset->samples()[2].group, "ID002");
}

// A model of some bones learns from the data of all of them.
TEST_F(Boostcamp, LeavesClassesOutThatNobodyAskedForAndCountsThem) {
  add("train", "ID001", "a");
  add("train", "ID001", "b");
  write_bytes(annotation("ID001", "b"), R"({"annotations":[)" + square("Radius", 2, 5) + "," + square("Ulna", 1, 2) +
                                            "," + square("Ulna", 6, 7) + "]}");
  const auto dataset = open(options({"Radius"}));
  EXPECT_EQ(dataset->tally().others(), "");
  EXPECT_THAT(dataset->read_labels(0).areas(), ElementsAre(16));
  EXPECT_EQ(dataset->tally().others(), "'finger-1' (1 image)");
  for (int round = 0; round < 2; ++round)
    for (const int index : {0, 1}) dataset->check_sample(index);
  EXPECT_EQ(dataset->tally().others(), "'Ulna' (1 image), 'finger-1' (1 image)");
  EXPECT_THAT(dataset->tally().unseen({"Radius"}), ElementsAre());

  // A name that is wrong in the recipe is found by what is there instead.
  DatasetOptions mistyped = options({"Radios"});
  EXPECT_THAT(error_of([&] { open(mistyped)->read_labels(0); }).what(), HasSubstr("and one for 'Radius'"));
  mistyped.absent = Absent::kEmpty;
  const auto empty = open(mistyped);
  empty->read_labels(0);
  EXPECT_THAT(empty->tally().unseen({"Radios"}), ElementsAre("Radios"));
}

TEST_F(Boostcamp, RefusesWhatCannotBeOpened) {
  EXPECT_THAT(error_of([&] { open(); }).where(), HasSubstr("train/DCM"));
  add("train", "ID001", "a", false);
  EXPECT_THAT(error_of([&] { open(); }).where(), HasSubstr("outputs_json"));
  EXPECT_EQ(error_of([&] { open_dataset("bootcamp", folder_.path(), options({"a"})); }).code(), ExitCode::kUsage);
  EXPECT_EQ(error_of([&] { open(options({})); }).code(), ExitCode::kUsage);
  EXPECT_EQ(error_of([&] { open(options({"a", "a"})); }).code(), ExitCode::kUsage);
  EXPECT_EQ(error_of([&] { open(options({"a"}, LabelKind::kMulticlass)); }).code(), ExitCode::kUsage);
}

TEST_F(Boostcamp, AMissingLabelMeansWhatIsAskedFor) {
  add("train", "ID001", "a");
  write_bytes(annotation("ID001", "a"), R"({"annotations":[)" + square("Radius", 2, 5) + "]}");
  EXPECT_THAT(error_of([&] { open()->read_labels(0); }).what(), HasSubstr("has no entry for 'finger-1'"));
  for (const Absent absent : {Absent::kEmpty, Absent::kUnknown}) {
    DatasetOptions with = options({"finger-1", "Radius"});
    with.absent = absent;
    const Labels labels = open(with)->read_labels(0);
    EXPECT_THAT(labels.areas(), ElementsAre(0, 16));
    EXPECT_EQ(labels.knows(0), absent == Absent::kEmpty);
    EXPECT_TRUE(labels.knows(1));
  }
  // What is said to be empty is known.
  write_bytes(annotation("ID001", "a"),
              R"({"annotations":[)" + square("Radius", 2, 5) + R"(,{"type":"empty","label":"finger-1"}]})");
  DatasetOptions with = options({"finger-1", "Radius"});
  with.absent = Absent::kUnknown;
  EXPECT_TRUE(open(with)->read_labels(0).class_valid().empty());
}

TEST_F(Boostcamp, WeighsTheImagesThatAFileNames) {
  add("train", "ID001", "a");
  add("train", "ID001", "b");
  add("train", "ID002", "c", false);
  DatasetOptions with = options({"finger-1", "Radius"});
  with.on_broken = OnBroken::kSkip;
  EXPECT_FALSE(open(with)->has_weights());
  with.weights = folder_ / "weights.csv";
  write_bytes(with.weights, "image,weight\nb.png,0.25\nc.png,3\n");  // c.png was left out
  const auto dataset = open(with);
  EXPECT_TRUE(dataset->has_weights());
  EXPECT_EQ(dataset->samples()[0].weight, 1);
  EXPECT_EQ(dataset->samples()[1].weight, 0.25);
  write_bytes(with.weights, "image,weight\nb.png,1\na.pgn,2\n");
  const Error error = error_of([&] { open(with); });
  EXPECT_EQ(error.where(), with.weights.string() + ":3");
  EXPECT_THAT(error.what(), HasSubstr("there is no image 'a.pgn'"));
  EXPECT_THAT(error.what(), HasSubstr("did you mean 'a.png'"));
}

TEST_F(Boostcamp, CheckFindsEveryBrokenSampleWhateverTheThreads) {
  for (const char* stem : {"a", "b", "c", "d", "e"}) add("train", "ID001", stem);
  write_bytes(annotation("ID001", "b"), R"({"annotations": [)");
  write_bytes(folder_ / "train/DCM/ID001/d.png", grey_png(12, 10).substr(0, 50));
  const auto dataset = open();
  for (const int threads : {1, 4}) {
    int calls = 0;
    const auto problems = check_dataset(*dataset, threads, [&](int done, int total) {
      EXPECT_EQ(done, ++calls);
      EXPECT_EQ(total, 5);
    });
    EXPECT_EQ(calls, 5);
    ASSERT_EQ(problems.size(), 2u);
    EXPECT_EQ(problems[0].id, "b.png");
    EXPECT_THAT(problems[0].where, HasSubstr("b.json:17"));
    EXPECT_EQ(problems[1].id, "d.png");
    EXPECT_THAT(problems[1].where, HasSubstr("d.png:50"));
  }
  EXPECT_THROW(check_dataset(*dataset, 2, [](int, int) { throw Interrupted(); }), Interrupted);
}

TEST(IndexPng, ReadsIndicesPalettesPatientsAndIgnoredPixels) {
  const TemporaryFolder folder;
  write_bytes(folder / "images/p1/left.png", grey_png(3, 1));
  write_bytes(folder / "masks/p1/left.png", make_png(3, {std::string("\x00\x02\x01", 3)}, 8, 3, "aaabbbccc"));
  write_bytes(folder / "images/p2/left.png", grey_png(3, 1));
  write_bytes(folder / "masks/p2/left.png", make_png(3, {std::string("\x00\xff\x01", 3)}, 8, 0));
  write_bytes(folder / "images/alone.png", grey_png(3, 1));
  write_bytes(folder / "masks/alone.png", make_png(3, {std::string("\x02\x02\x02", 3)}, 8, 0));
  const auto dataset =
      open_dataset("index_png", folder.path(), options({"background", "bone", "ring"}, LabelKind::kMulticlass));
  ASSERT_THAT(ids(*dataset), ElementsAre("alone.png", "p1/left.png", "p2/left.png"));
  EXPECT_EQ(dataset->samples()[0].group, "alone.png");
  EXPECT_EQ(dataset->samples()[1].group, "p1");
  EXPECT_THAT(dataset->read_labels(1).areas(), ElementsAre(1, 1, 1));
  const Labels ignored = dataset->read_labels(2);
  EXPECT_THAT(ignored.areas(), ElementsAre(1, 1, 0));
  EXPECT_EQ(ignored.valid().at<std::uint8_t>(0, 1), 0);
}

TEST(IndexPng, NamesUnknownValuesWrongSizesAndMissingMasks) {
  const TemporaryFolder folder;
  write_bytes(folder / "train/images/a.png", grey_png(3, 1));
  write_bytes(folder / "train/masks/a.png", grey_png(3, 1, 7));
  auto dataset = open_dataset("index_png", folder.path(), options({"background", "bone"}));
  const Error unknown = error_of([&] { dataset->read_labels(0); });
  EXPECT_THAT(unknown.where(), HasSubstr("masks/a.png"));
  EXPECT_THAT(unknown.what(), HasSubstr("value 7"));
  write_bytes(folder / "train/masks/a.png", grey_png(4, 1, 1));
  const Error size = error_of([&] { dataset->read_labels(0); });
  EXPECT_THAT(size.what(), HasSubstr("4 x 1"));
  EXPECT_THAT(size.what(), HasSubstr("3 x 1"));
  write_bytes(folder / "train/images/b.png", grey_png(3, 1));
  EXPECT_THAT(error_of([&] {
                open_dataset("index_png", folder.path(), options({"x", "y"}));
              }).what(),
              HasSubstr("masks/b.png"));
  std::filesystem::remove(folder / "train/images/b.png");
  write_bytes(folder / "train/masks/c.png", grey_png(3, 1));
  EXPECT_THAT(error_of([&] {
                open_dataset("index_png", folder.path(), options({"x", "y"}));
              }).what(),
              HasSubstr("images/c.png"));
  DatasetOptions clash = options({"x", "y"});
  clash.ignore_index = 1;
  EXPECT_EQ(error_of([&] { open_dataset("index_png", folder.path(), clash); }).code(), ExitCode::kUsage);
  write_bytes(folder / "images/a.png", grey_png(3, 1));
  EXPECT_THAT(error_of([&] { open_dataset("index_png", folder.path(), options({"x"})); }).what(),
              HasSubstr("keep one"));
}

TEST(ClassPng, ReadsOneMaskPerClass) {
  const TemporaryFolder folder;
  write_bytes(folder / "images/a.png", grey_png(3, 1));
  write_bytes(folder / "masks/bone/a.png", make_png(3, {std::string("\x00\xff\x01", 3)}, 8, 0));
  write_bytes(folder / "masks/ring/a.png", make_png(3, {std::string("\x00\x00\x01", 3)}, 8, 3, "aaabbb"));
  const auto dataset = open_dataset("class_png", folder.path(), options({"ring", "bone"}));
  EXPECT_THAT(dataset->read_labels(0).areas(), ElementsAre(1, 2));
  const auto strict = open_dataset("class_png", folder.path(), options({"ring", "bone"}, LabelKind::kMulticlass));
  EXPECT_THAT(error_of([&] { strict->read_labels(0); }).what(), HasSubstr("(0, 0) has 0 classes"));
}

TEST(ClassPng, AMissingMaskMeansWhatIsAskedFor) {
  const TemporaryFolder folder;
  write_bytes(folder / "images/a.png", grey_png(3, 1));
  write_bytes(folder / "images/b.png", grey_png(3, 1));
  write_bytes(folder / "masks/bone/a.png", make_png(3, {std::string("\x00\xff\x01", 3)}, 8, 0));
  write_bytes(folder / "masks/ring/b.png", make_png(3, {std::string("\x01\x01\x01", 3)}, 8, 0));
  const auto open = [&](Absent absent, LabelKind kind) {
    DatasetOptions with = options({"ring", "bone"}, kind);
    with.absent = absent;
    return open_dataset("class_png", folder.path(), with);
  };
  EXPECT_THAT(error_of([&] { open(Absent::kError, LabelKind::kMultilabel); }).what(), HasSubstr("masks/ring/a.png"));
  const Labels empty = open(Absent::kEmpty, LabelKind::kMultilabel)->read_labels(0);
  EXPECT_THAT(empty.areas(), ElementsAre(0, 2));
  EXPECT_TRUE(empty.class_valid().empty());
  const Labels unknown = open(Absent::kUnknown, LabelKind::kMultilabel)->read_labels(0);
  EXPECT_THAT(unknown.class_valid(), ElementsAre(0, 1));
  EXPECT_TRUE(unknown.valid().empty());
  // One class per pixel: what is not bone may be ring.
  const Labels one = open(Absent::kUnknown, LabelKind::kMulticlass)->read_labels(0);
  EXPECT_EQ(one.valid().at<std::uint8_t>(0, 0), 0);
  EXPECT_EQ(one.valid().at<std::uint8_t>(0, 1), 1);
  const auto complete = open(Absent::kEmpty, LabelKind::kMulticlass);
  EXPECT_THAT(error_of([&] { complete->read_labels(0); }).what(), HasSubstr("(0, 0) has 0 classes"));
  // An image without any mask was forgotten.
  write_bytes(folder / "images/c.png", grey_png(3, 1));
  EXPECT_THAT(error_of([&] { open(Absent::kUnknown, LabelKind::kMultilabel); }).what(), HasSubstr("has no partner"));
}

TEST(IndexPng, HasNoAbsentClass) {
  DatasetOptions with = options({"x", "y"}, LabelKind::kMulticlass);
  with.absent = Absent::kUnknown;
  EXPECT_EQ(error_of([&] { open_dataset("index_png", "nowhere", with); }).code(), ExitCode::kUsage);
}

TEST(ClassPng, NamesMissingMasksAndUnknownFolders) {
  const TemporaryFolder folder;
  const auto open = [&] { return open_dataset("class_png", folder.path(), options({"bone", "ring"})); };
  write_bytes(folder / "images/a.png", grey_png(3, 1));
  write_bytes(folder / "masks/bone/a.png", grey_png(3, 1));
  EXPECT_THAT(error_of(open).where(), HasSubstr("masks/ring"));
  write_bytes(folder / "masks/ring/b.png", grey_png(3, 1));
  EXPECT_THAT(error_of(open).what(), HasSubstr("masks/ring/a.png"));
  write_bytes(folder / "masks/ring/a.png", grey_png(3, 1));
  EXPECT_THAT(error_of(open).what(), HasSubstr("images/b.png"));
  std::filesystem::remove(folder / "masks/ring/b.png");
  EXPECT_EQ(open()->samples().size(), 1u);
  // A folder that is no class of the recipe is left out, or what was meant.
  write_bytes(folder / "masks/rung/a.png", grey_png(3, 1));
  const auto dataset = open();
  dataset->read_labels(0);
  EXPECT_EQ(dataset->tally().others(), "'rung' (1 image)");
  std::filesystem::remove_all(folder / "masks/ring");
  EXPECT_THAT(error_of(open).what(), HasSubstr("did you mean 'rung'"));
}

TEST(ClassPng, ReadsMasksWhoseSuffixIsInCapitals) {
  const TemporaryFolder folder;
  write_bytes(folder / "images/a.PNG", grey_png(3, 1));
  write_bytes(folder / "masks/bone/a.PNG", grey_png(3, 1));
  write_bytes(folder / "masks/ring/a.png", grey_png(3, 1, 0));
  EXPECT_THAT(open_dataset("class_png", folder.path(), options({"bone", "ring"}))->read_labels(0).areas(),
              ElementsAre(3, 0));
}

TEST(IndexPng, ReadsMasksWhoseSuffixIsInCapitals) {
  const TemporaryFolder folder;
  write_bytes(folder / "images/a.png", grey_png(3, 1));
  write_bytes(folder / "masks/a.PNG", grey_png(3, 1, 1));
  const auto dataset = open_dataset("index_png", folder.path(), options({"x", "y"}, LabelKind::kMulticlass));
  EXPECT_THAT(dataset->read_labels(0).areas(), ElementsAre(0, 3));
}

TEST(BrokenSamples, FailsOrCountsAsAsked) {
  const Sample sample{"a.png", "images/a.png", "", "p"};
  const Error broken(ExitCode::kData, "is cut off", "images/a.png:7");
  BrokenSamples fatal(OnBroken::kFail);
  const Error thrown = error_of([&] { fatal.handle(sample, broken); });
  EXPECT_THAT(thrown.what(), HasSubstr("a.png is broken: is cut off"));
  EXPECT_EQ(thrown.where(), "images/a.png:7");
  BrokenSamples skipping(OnBroken::kSkip);
  EXPECT_EQ(skipping.summary(), "");
  skipping.handle(sample, broken);
  skipping.handle(sample, broken);
  EXPECT_EQ(skipping.count(), 1);
  EXPECT_EQ(skipping.summary(), "1 broken sample was skipped: a.png (images/a.png:7: is cut off)");
  EXPECT_THROW(skipping.handle(sample, Error(ExitCode::kResources, "no memory")), Error);
}

}  // namespace
}  // namespace osteon::data
