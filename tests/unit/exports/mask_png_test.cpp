// SPDX-License-Identifier: Apache-2.0
#include "exports/mask_png.hpp"

#include <gtest/gtest.h>

#include "data/dataset.hpp"
#include "data/image.hpp"
#include "data/label_ops.hpp"
#include "unit/data/files.hpp"

namespace osteon::exports {
namespace {

using data::Labels;
using tests::TemporaryFolder;

TEST(MaskPng, ClassMasksAreReadBackByTheirLayout) {
  const TemporaryFolder folder;
  Labels labels(2, {5, 4});
  labels.add(0, cv::Mat::eye(4, 5, CV_8UC1));
  labels.add(1, cv::Mat::ones(4, 5, CV_8UC1));
  write_class_masks(folder / "scan", labels, {"bone", "ring"});
  const data::Image bone = data::read_image(folder / "scan/bone.png");
  EXPECT_EQ(bone.pixels.type(), CV_8UC1);
  EXPECT_EQ(cv::countNonZero(bone.pixels != labels.mask(0)), 0);

  std::filesystem::create_directories(folder / "set/masks/bone");
  std::filesystem::create_directories(folder / "set/masks/ring");
  std::filesystem::copy(folder / "scan/bone.png", folder / "set/masks/bone/scan.png");
  std::filesystem::copy(folder / "scan/ring.png", folder / "set/masks/ring/scan.png");
  write_png(folder / "set/images/scan.png", cv::Mat::zeros(4, 5, CV_8UC3));
  data::DatasetOptions options;
  options.classes.names = {"bone", "ring"};
  EXPECT_TRUE(data::equal(data::open_dataset("class_png", folder / "set", options)->read_labels(0), labels));
}

TEST(MaskPng, IndexMasksAreReadBackByTheirLayout) {
  const TemporaryFolder folder;
  for (const int classes : {3, 300}) {
    cv::Mat index = cv::Mat::zeros(2, 2, CV_16UC1);
    index.at<std::uint16_t>(0, 1) = static_cast<std::uint16_t>(classes - 1);
    index.at<std::uint16_t>(1, 1) = 999;
    const Labels labels = data::from_index(index, classes, 999);
    const int ignore = classes == 3 ? 255 : 65535;
    write_index_mask(folder / "set/masks/a.png", labels, ignore);
    write_png(folder / "set/images/a.png", cv::Mat::zeros(2, 2, CV_16UC1));
    data::DatasetOptions options;
    options.ignore_index = ignore;
    options.classes.kind = data::LabelKind::kMulticlass;
    for (int c = 0; c < classes; ++c) options.classes.names.push_back(std::to_string(c));
    EXPECT_TRUE(data::equal(data::open_dataset("index_png", folder / "set", options)->read_labels(0), labels))
        << classes;
  }
}

TEST(MaskPng, KeepsTheOrderOfColours) {
  const TemporaryFolder folder;
  const cv::Mat pixels(1, 1, CV_8UC3, cv::Scalar(10, 20, 30));
  write_png(folder / "rgb.png", pixels);
  EXPECT_EQ(data::read_image(folder / "rgb.png").pixels.at<cv::Vec3b>(0, 0), cv::Vec3b(10, 20, 30));
}

TEST(MaskPng, OfClassesWhoseNamesAreNoFilesAreReadBackToo) {
  const TemporaryFolder folder;
  const std::vector<std::string> classes = {"left/right", "..", "a%2Fb"};
  Labels labels(3, {5, 4});
  labels.add(0, cv::Mat::eye(4, 5, CV_8UC1));
  labels.add(1, cv::Mat::ones(4, 5, CV_8UC1));
  write_class_masks(folder / "scan", labels, classes);
  for (const char* name : {"left%2Fright", "%2E.", "a%252Fb"}) {
    std::filesystem::create_directories(folder / ("set/masks/" + std::string(name)));
    std::filesystem::copy(folder / ("scan/" + std::string(name) + ".png"),
                          folder / ("set/masks/" + std::string(name) + "/scan.png"));
  }
  write_png(folder / "set/images/scan.png", cv::Mat::zeros(4, 5, CV_8UC3));
  data::DatasetOptions options;
  options.classes.names = classes;
  EXPECT_TRUE(data::equal(data::open_dataset("class_png", folder / "set", options)->read_labels(0), labels));
}

TEST(MaskPng, RefusesOverlapsAsIndicesAndWrongNumbersOfNames) {
  const TemporaryFolder folder;
  Labels labels(2, {2, 2});
  const Error error = tests::error_of([&] { write_index_mask(folder / "a.png", labels); });
  EXPECT_NE(error.where().find("a.png"), std::string::npos);
  EXPECT_THROW(write_class_masks(folder / "x", labels, {"a"}), Error);
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

}  // namespace
}  // namespace osteon::exports
