// SPDX-License-Identifier: Apache-2.0
#include "data/image.hpp"

#include <gtest/gtest.h>
#include <opencv2/imgcodecs.hpp>

#include "data/image_file.hpp"
#include "data/index_png.hpp"
#include "data/view.hpp"
#include "unit/data/files.hpp"

namespace osteon::data {
namespace {

using tests::error_of;
using tests::make_png;
using tests::read_bytes;
using tests::TemporaryFolder;
using tests::write_bytes;

TEST(ReadImage, KeepsGreyOf8And16Bits) {
  const TemporaryFolder folder;
  write_bytes(folder / "g8.png", make_png(3, {std::string("\x00\x80\xff", 3)}, 8, 0));
  write_bytes(folder / "g16.png", make_png(2, {std::string("\x01\x02\xff\xff", 4)}, 16, 0));
  const Image grey = read_image(folder / "g8.png");
  ASSERT_EQ(grey.pixels.type(), CV_8UC1);
  EXPECT_EQ(grey.maximum, 255.0);
  EXPECT_EQ(grey.pixels.at<std::uint8_t>(0, 1), 0x80);
  const Image deep = read_image(folder / "g16.png");
  ASSERT_EQ(deep.pixels.type(), CV_16UC1);
  EXPECT_EQ(deep.maximum, 65535.0);
  EXPECT_EQ(deep.pixels.at<std::uint16_t>(0, 0), 0x0102);
}

TEST(ReadImage, GivesColoursInRgbOrderAndLeavesAlphaOut) {
  const TemporaryFolder folder;
  write_bytes(folder / "rgb.png", make_png(1, {"\x0a\x14\x1e"}, 8, 2));
  write_bytes(folder / "rgba.png", make_png(1, {"\x0a\x14\x1e\x40"}, 8, 6));
  write_bytes(folder / "palette.png", make_png(1, {std::string("\x01", 1)}, 8, 3, "\x01\x02\x03\x0a\x14\x1e"));
  for (const char* name : {"rgb.png", "rgba.png", "palette.png"}) {
    const Image image = read_image(folder / name);
    ASSERT_EQ(image.pixels.type(), CV_8UC3) << name;
    EXPECT_EQ(image.pixels.at<cv::Vec3b>(0, 0), cv::Vec3b(10, 20, 30)) << name;
  }
}

TEST(ReadImage, ReadsTheOtherFormats) {
  const TemporaryFolder folder;
  const cv::Mat pixels(13, 17, CV_8UC3, cv::Scalar(30, 20, 10));
  for (const char* name : {"a.jpg", "a.JPEG", "a.tif", "a.tiff", "a.bmp", "a.ppm", "a.webp"}) {
    ASSERT_TRUE(has_image_extension(name));
    cv::imwrite(folder / name, pixels);
    const Image image = read_image(folder / name);
    ASSERT_EQ(image.size(), cv::Size(17, 13)) << name;
    EXPECT_NEAR(image.pixels.at<cv::Vec3b>(6, 6)[0], 10, 3) << name;
    EXPECT_EQ(read_image_size(folder / name), cv::Size(17, 13)) << name;
  }
  cv::imwrite(folder / "deep.tif", cv::Mat(2, 2, CV_16UC1, cv::Scalar(4095)));
  EXPECT_EQ(read_image(folder / "deep.tif").pixels.at<std::uint16_t>(1, 1), 4095);
}

// Sizes are asked for of whole data sets before training; headers have them.
TEST(ReadImage, TakesSizesFromHeadersWithoutPixels) {
  const TemporaryFolder folder;
  const cv::Mat pixels(97, 130, CV_8UC3, cv::Scalar(30, 20, 10));
  const auto check = [&](const std::string& name, std::size_t header, const std::vector<int>& parameters = {}) {
    cv::imwrite(folder / name, pixels, parameters);
    std::string bytes = read_bytes(folder / name);
    EXPECT_EQ(size_from_header(bytes.substr(0, header)), pixels.size()) << name;
    EXPECT_FALSE(size_from_header(bytes.substr(0, 5))) << name;
    write_bytes(folder / name, bytes.substr(0, bytes.size() - 4));
    if (name != "a.jp2") {
      const std::string why = error_of([&] { read_image_size(folder / name); }).what();
      EXPECT_NE(why.find("cut off"), std::string::npos) << why;
    }
    std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(header), bytes.end(), '\0');
    write_bytes(folder / name, bytes);
    EXPECT_EQ(read_image_size(folder / name), pixels.size()) << name << ": without a picture";
  };
  check("a.bmp", 54);
  check("a.ppm", 14);
  check("lossy.webp", 30, {cv::IMWRITE_WEBP_QUALITY, 80});
  check("lossless.webp", 30, {cv::IMWRITE_WEBP_QUALITY, 101});
  check("a.jp2", 200);
  const auto size = [](const std::string& bytes) { return size_from_header(bytes); };
  EXPECT_EQ(size("P2 # as people write\n#it\n 17\t13\n"), cv::Size(17, 13));
  EXPECT_FALSE(size("P5 17 -1 255\n"));
  EXPECT_FALSE(size("P5 99999999999 1 255\n"));
  EXPECT_FALSE(size("P5 # no end"));
  const std::string info = "BM" + std::string(12, '\0') + "\x28" + std::string(3, '\0');
  EXPECT_EQ(size(info + std::string("\x11\0\0\0\xf3\xff\xff\xff", 8)), cv::Size(17, 13)) << "from the top down";
  EXPECT_FALSE(size(info + std::string(8, '\0')));
  const std::string old = "BM" + std::string(12, '\0') + "\x0c" + std::string(3, '\0');
  EXPECT_EQ(size(old + std::string("\x11\0\x0d\0\1\0\x18\0", 8)), cv::Size(17, 13));
  const std::string extended = "RIFF" + std::string(4, '\0') + "WEBPVP8X" + std::string(8, '\0');
  EXPECT_EQ(size(extended + std::string("\x10\0\0\x0c\0\0", 6)), cv::Size(17, 13));
}

TEST(ReadImage, LeavesTheExifOrientationAlone) {
  const TemporaryFolder folder;
  std::vector<std::uint8_t> encoded;
  cv::imencode(".jpg", cv::Mat(8, 16, CV_8UC1, cv::Scalar(100)), encoded);
  // "Orientation = 6": turn by a quarter for display. An APP1 segment after SOI.
  const std::string tiff("MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0", 26);
  const std::string exif = std::string("Exif\0\0", 6) + tiff;
  std::string file(encoded.begin(), encoded.end());
  file.insert(2, "\xff\xe1" + std::string{'\0', static_cast<char>(exif.size() + 2)} + exif);
  write_bytes(folder / "turned.jpg", file);
  EXPECT_EQ(read_image(folder / "turned.jpg").size(), cv::Size(16, 8));
  EXPECT_EQ(read_image_size(folder / "turned.jpg"), cv::Size(16, 8));
}

TEST(ReadImage, RefusesEveryCutOfAPngAndOfAJpegWithTheOffset) {
  const TemporaryFolder folder;
  const std::string png = make_png(4, std::vector<std::string>(4, "abcd"), 8, 0);
  for (std::size_t size = 0; size < png.size(); ++size) {
    write_bytes(folder / "cut.png", png.substr(0, size));
    const Error error = error_of([&] { read_image(folder / "cut.png"); });
    ASSERT_EQ(error.code(), ExitCode::kData) << size;
    ASSERT_NE(error.where().find("cut.png"), std::string::npos) << error.where();
    if (size >= 8) {
      ASSERT_EQ(error.where(), (folder / "cut.png").string() + ":" + std::to_string(size));
    }
  }
  std::vector<std::uint8_t> encoded;
  cv::imencode(".jpg", cv::Mat(64, 64, CV_8UC3, cv::Scalar(1, 2, 3)), encoded);
  const std::string jpeg(encoded.begin(), encoded.end());
  for (std::size_t size = 0; size + 2 < jpeg.size(); ++size) {  // its last two bytes are the end marker alone
    write_bytes(folder / "cut.jpg", jpeg.substr(0, size));
    ASSERT_EQ(error_of([&] { read_image(folder / "cut.jpg"); }).code(), ExitCode::kData) << size;
  }
  write_bytes(folder / "whole.jpg", jpeg + "trailing bytes are harmless");
  EXPECT_EQ(read_image(folder / "whole.jpg").size(), cv::Size(64, 64));
}

TEST(ReadImage, RefusesAnyChangedByteOfAPngsChunks) {
  const TemporaryFolder folder;
  const std::string png = make_png(4, std::vector<std::string>(4, "abcd"), 8, 0);
  for (std::size_t at = 8; at < png.size(); ++at) {
    std::string changed = png;
    changed[at] = static_cast<char>(changed[at] ^ 0x10);
    write_bytes(folder / "changed.png", changed);
    ASSERT_EQ(error_of([&] { read_image(folder / "changed.png"); }).code(), ExitCode::kData) << at;
  }
}

TEST(ReadImage, RefusesCutTiffsAndThingsThatAreNoImages) {
  const TemporaryFolder folder;
  cv::imwrite(folder / "whole.tif", cv::Mat(64, 64, CV_8UC1, cv::Scalar(7)));
  const std::string tiff = read_bytes(folder / "whole.tif");
  write_bytes(folder / "cut.tif", tiff.substr(0, tiff.size() / 2));
  write_bytes(folder / "text.png", "hello");
  cv::imwrite(folder / "float.tif", cv::Mat(2, 2, CV_32FC1, cv::Scalar(0.5)));
  for (const char* name : {"cut.tif", "text.png", "float.tif", "missing.png", "."})
    EXPECT_EQ(error_of([&] { read_image(folder / name); }).code(), ExitCode::kData) << name;
}

TEST(View, ScalesByTheDepthAndMakesChannels) {
  Image deep;
  deep.pixels = (cv::Mat_<std::uint16_t>(1, 2) << 0, 65535);
  deep.maximum = 65535.0;
  const cv::Mat three = with_channels(root_pixels(deep), 3);
  ASSERT_EQ(three.type(), CV_32FC3);
  EXPECT_EQ(three.at<cv::Vec3f>(0, 1), cv::Vec3f(1.0f, 1.0f, 1.0f));
  Image color;
  color.pixels = cv::Mat(1, 1, CV_8UC3, cv::Scalar(255, 0, 51));
  const cv::Mat grey = with_channels(root_pixels(color), 1);
  ASSERT_EQ(grey.type(), CV_32FC1);
  EXPECT_NEAR(grey.at<float>(0, 0), 0.299 + 0.114 * 0.2, 1e-6);
  EXPECT_THROW(with_channels(root_pixels(color), 2), Error);
}

TEST(ReadIndexPng, ReadsStoredValuesAtEveryDepth) {
  const TemporaryFolder folder;
  const std::string palette = "aaabbbcccddd";
  struct Case {
    std::string png;
    int type;
    std::vector<int> values;
  };
  const std::vector<Case> cases = {
      {make_png(4, {"\x50"}, 1, 0), CV_8UC1, {0, 1, 0, 1}},
      {make_png(4, {"\x1b"}, 2, 0), CV_8UC1, {0, 1, 2, 3}},
      {make_png(4, {"\x1b"}, 2, 3, palette), CV_8UC1, {0, 1, 2, 3}},
      {make_png(4, {std::string("\x0f\x21", 2)}, 4, 0), CV_8UC1, {0, 15, 2, 1}},
      {make_png(4, {std::string("\x03\x02\x01\x00", 4)}, 8, 3, palette), CV_8UC1, {3, 2, 1, 0}},
      {make_png(4, {std::string("\x00\xff\x1c\x01", 4)}, 8, 0), CV_8UC1, {0, 255, 28, 1}},
      {make_png(2, {std::string("\x01\x2c\x00\x05", 4)}, 16, 0), CV_16UC1, {300, 5}},
  };
  for (std::size_t i = 0; i < cases.size(); ++i) {
    write_bytes(folder / "index.png", cases[i].png);
    const cv::Mat index = read_index_png(folder / "index.png");
    ASSERT_EQ(index.type(), cases[i].type) << i;
    for (std::size_t x = 0; x < cases[i].values.size(); ++x) {
      const int value = index.depth() == CV_16U ? index.at<std::uint16_t>(0, static_cast<int>(x))
                                                : index.at<std::uint8_t>(0, static_cast<int>(x));
      EXPECT_EQ(value, cases[i].values[x]) << "case " << i << ", pixel " << x;
    }
  }
}

TEST(ReadIndexPng, RefusesColoursOtherFormatsAndDamage) {
  const TemporaryFolder folder;
  write_bytes(folder / "rgb.png", make_png(1, {"abc"}, 8, 2));
  write_bytes(folder / "alpha.png", make_png(1, {"ab"}, 8, 4));
  const std::string png = make_png(3, {"abc"}, 8, 0);
  write_bytes(folder / "cut.png", png.substr(0, png.size() - 20));
  write_bytes(folder / "short.png", make_png(3, {"ab"}, 8, 0));  // whole chunks, too few pixels
  write_bytes(folder / "text.png", "not a picture");
  for (const char* name : {"rgb.png", "alpha.png", "cut.png", "short.png", "text.png", "missing.png"}) {
    const Error error = error_of([&] { read_index_png(folder / name); });
    EXPECT_EQ(error.code(), ExitCode::kData) << name;
    EXPECT_NE(error.where().find(name), std::string::npos) << error.where();
  }
}

}  // namespace
}  // namespace osteon::data
