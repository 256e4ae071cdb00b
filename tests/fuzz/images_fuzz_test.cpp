// SPDX-License-Identifier: Apache-2.0
// Image files, broken at random: each is refused as bad data, naming the file, or gives a picture of the size that its
// header says. The sanitizers watch; seeds are fixed, so a failure comes back.
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <opencv2/imgcodecs.hpp>

#include "data/decode.hpp"
#include "data/image_file.hpp"
#include "unit/data/files.hpp"
#include "unit/data/tiff_file.hpp"

namespace osteon::data {
namespace {

std::string encode(const cv::Mat& pixels, const std::string& extension, const std::vector<int>& parameters = {}) {
  std::vector<std::uint8_t> bytes;
  cv::imencode(extension, pixels, bytes, parameters);
  return {bytes.begin(), bytes.end()};
}

/// Every decoder, in the forms that take other ways through it.
std::vector<std::string> seeds() {
  cv::Mat grey(24, 20, CV_8UC1), deep(24, 20, CV_16UC1), color(24, 20, CV_8UC3);
  cv::RNG random(5);
  for (cv::Mat* pixels : {&grey, &deep, &color}) random.fill(*pixels, cv::RNG::UNIFORM, 0, 255);
  std::vector<std::string> files = {encode(grey, ".png"),
                                    encode(deep, ".png"),
                                    encode(color, ".png"),
                                    encode(grey, ".jpg"),
                                    encode(color, ".jpg", {cv::IMWRITE_JPEG_PROGRESSIVE, 1}),
                                    encode(color, ".jpg", {cv::IMWRITE_JPEG_RST_INTERVAL, 1}),
                                    encode(deep, ".tif"),
                                    encode(color, ".tif", {cv::IMWRITE_TIFF_COMPRESSION, 7}),
                                    encode(grey, ".tif", {cv::IMWRITE_TIFF_COMPRESSION, 1}),
                                    encode(color, ".bmp"),
                                    encode(grey, ".pgm"),
                                    encode(color, ".webp")};
  using namespace tests;
  files.push_back(make_tiff({{kWidth, {5}},
                             {kLength, {5}},
                             {kBits, {16, 16, 16}},
                             {kSamples, {3}},
                             {kCompression, {1}},
                             {kPhotometric, {2}},
                             {kPlanar, {2}},
                             {kTileWidth, {16}},
                             {kTileLength, {16}}},
                            std::vector<std::string>(3, std::string(512, 'x'))));
  return files;
}

cv::Mat decoded(const std::string& bytes) {
  check_whole_file(bytes, "f");
  if (const auto size = size_from_header(bytes)) check_image_size(size->width, size->height, "f");
  switch (format_of(bytes)) {
    case ImageFormat::kPng:
      return decode_png(bytes, "f");
    case ImageFormat::kJpeg:
      return decode_jpeg(bytes, "f");
    case ImageFormat::kTiff:
      EXPECT_EQ(decode_tiff(bytes, "f").size(), tiff_size(bytes, "f"));
      return decode_tiff(bytes, "f");
    default:
      return decode_by_opencv(bytes, "f");
  }
}

/// Decodes and looks at every pixel.
void look(const std::string& bytes) {
  try {
    const cv::Mat pixels = decoded(bytes);
    ASSERT_TRUE(pixels.depth() == CV_8U || pixels.depth() == CV_16U);
    ASSERT_TRUE(pixels.channels() == 1 || pixels.channels() == 3);
    volatile double keep = cv::sum(pixels)[0];
    static_cast<void>(keep);
  } catch (const Error& e) {
    ASSERT_EQ(e.code(), ExitCode::kData);
    ASSERT_EQ(e.where().substr(0, 1), "f");
    ASSERT_NE(std::string(e.what()), "");
  }
}

std::string mutated(std::string bytes, std::mt19937& random) {
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random()) % n; };
  for (std::size_t i = 1 + below(4); i > 0 && !bytes.empty(); --i) {
    const std::size_t at = below(bytes.size());
    switch (below(5)) {
      case 0:
        bytes[at] = static_cast<char>(random());
        break;
      case 1:
        bytes[at] = static_cast<char>(bytes[at] ^ (1 << below(8)));
        break;
      case 2:
        bytes.erase(at, 1 + below(16));
        break;
      case 3:
        bytes.insert(at, bytes.substr(below(bytes.size()), 1 + below(16)));
        break;
      default:
        bytes.resize(at);
    }
  }
  return bytes;
}

void mutate_all(int rounds) {
  std::mt19937 random(11);
  const std::vector<std::string> files = seeds();
  for (int round = 0; round < rounds; ++round)
    for (const std::string& file : files) look(mutated(file, random));
}

TEST(ImagesFuzz, TheSeedsAreGood) {
  for (const std::string& file : seeds()) EXPECT_FALSE(decoded(file).empty());
}

TEST(ImagesFuzz, SomeDamageIsSurvived) { mutate_all(100); }

TEST(LongImagesFuzz, MuchDamageIsSurvived) { mutate_all(40000); }

}  // namespace
}  // namespace osteon::data
