// SPDX-License-Identifier: Apache-2.0
#include "data/decode.hpp"

#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "data/image.hpp"
#include "unit/data/files.hpp"
#include "unit/data/tiff_file.hpp"

namespace osteon::data {
namespace {

using testing::HasSubstr;
using testing::internal::CaptureStderr;
using testing::internal::GetCapturedStderr;
using namespace tests;

constexpr int kColumns = 5, kLines = 4;

int sample_at(int x, int y, int c, int bits) {
  return (37 * x + 101 * y + 59 * c + 11) * (bits == 16 ? 257 : 1) % (1 << bits);
}

std::string samples_of(cv::Rect part, int channels, int first, int bits) {
  std::string text;
  for (int y = part.y; y < part.y + part.height; ++y)
    for (int x = part.x; x < part.x + part.width; ++x)
      for (int c = first; c < first + channels; ++c)
        put_number(text, static_cast<std::uint32_t>(sample_at(x, y, c, bits)), bits / 8);
  return text;
}

cv::Mat read_tiff(const std::string& bytes) { return decode_tiff(bytes, "scan.tif"); }

std::string refusal_of(const std::string& bytes) {
  const Error error = error_of([&] { read_tiff(bytes); });
  EXPECT_EQ(error.code(), ExitCode::kData);
  EXPECT_EQ(error.where(), "scan.tif");
  return error.what();
}

struct TiffCase {
  int bits, colors;
  bool planar, tiled, inverted;
  std::uint32_t orientation;
};

class PlainTiffs : public testing::TestWithParam<TiffCase> {
 protected:
  static std::string file(const TiffCase& given) {
    const auto bits = static_cast<std::uint32_t>(given.bits), colors = static_cast<std::uint32_t>(given.colors);
    TiffTags tags = {{kWidth, {kColumns}},
                     {kLength, {kLines}},
                     {kBits, std::vector<std::uint32_t>(colors, bits)},
                     {kCompression, {1}},
                     {kPhotometric,
                      {colors == 3      ? 2u
                       : given.inverted ? 0u
                                        : 1u}},
                     {kSamples, {colors}},
                     {kPlanar, {given.planar ? 2u : 1u}},
                     {kOrientation, {given.orientation}}};
    const int channels = given.planar ? 1 : given.colors;
    std::vector<std::string> pieces;
    for (int plane = 0; plane < (given.planar ? given.colors : 1); ++plane) {
      if (given.tiled) {
        pieces.push_back(samples_of({0, 0, 16, 16}, channels, plane, given.bits));
      } else {
        pieces.push_back(samples_of({0, 0, kColumns, 3}, channels, plane, given.bits));
        pieces.push_back(samples_of({0, 3, kColumns, 1}, channels, plane, given.bits));
      }
    }
    if (given.tiled) {
      tags[kTileWidth] = {16};
      tags[kTileLength] = {16};
    } else {
      tags[kRows] = {3};
    }
    return make_tiff(tags, pieces);
  }
};

TEST_P(PlainTiffs, AreSeenAsTheirTagsSay) {
  const TiffCase given = GetParam();
  const cv::Mat pixels = read_tiff(file(given));
  ASSERT_EQ(pixels.size(), cv::Size(kColumns, kLines)) << "the orientation was applied";
  ASSERT_EQ(pixels.type(), CV_MAKETYPE(given.bits == 16 ? CV_16U : CV_8U, given.colors));
  EXPECT_EQ(tiff_size(file(given), "scan.tif"), pixels.size());
  for (int y = 0; y < kLines; ++y)
    for (int x = 0; x < kColumns; ++x)
      for (int c = 0; c < given.colors; ++c) {
        const int stored = sample_at(x, y, c, given.bits);
        const int expected = given.inverted ? (1 << given.bits) - 1 - stored : stored;
        const int found =
            given.bits == 16 ? pixels.ptr<std::uint16_t>(y)[x * given.colors + c] : pixels.ptr(y)[x * given.colors + c];
        ASSERT_EQ(found, expected) << x << ", " << y << ", " << c;
      }
}

INSTANTIATE_TEST_SUITE_P(Tags, PlainTiffs,
                         testing::Values(TiffCase{8, 1, false, false, false, 1}, TiffCase{8, 1, false, false, true, 1},
                                         TiffCase{16, 1, false, false, false, 1},
                                         TiffCase{16, 1, false, false, true, 1}, TiffCase{16, 1, false, true, true, 8},
                                         TiffCase{8, 3, false, false, false, 6}, TiffCase{8, 3, true, false, false, 1},
                                         TiffCase{16, 3, false, false, false, 3},
                                         TiffCase{16, 3, true, false, false, 1}, TiffCase{16, 3, true, true, false, 5},
                                         TiffCase{8, 3, false, true, false, 1},
                                         TiffCase{8, 1, false, false, false, 6}));

TEST(DecodeTiff, RefusesWhatItWouldHaveToGuess) {
  const auto file = [](const TiffTags& more, std::size_t bytes) {
    TiffTags tags = {{kWidth, {2}},       {kLength, {2}},  {kBits, {8}}, {kCompression, {1}},
                     {kPhotometric, {1}}, {kSamples, {1}}, {kRows, {2}}};
    for (const auto& [tag, values] : more) tags[tag] = values;
    return make_tiff(tags, {std::string(bytes, '\x40')});
  };
  EXPECT_EQ(read_tiff(file({}, 4)).at<std::uint8_t>(1, 1), 0x40);
  EXPECT_THAT(refusal_of(file({{kBits, {32}}}, 16)), HasSubstr("32 bits"));
  EXPECT_THAT(refusal_of(file({{kBits, {32}}, {kFormat, {3}}}, 16)), HasSubstr("floating-point"));
  EXPECT_THAT(refusal_of(file({{kBits, {16}}, {kFormat, {2}}}, 8)), HasSubstr("signed"));
  EXPECT_THAT(refusal_of(file({{kBits, {12}}}, 6)), HasSubstr("12 bits"));
  EXPECT_THAT(refusal_of(file({{kBits, {16, 16, 16, 16}}, {kSamples, {4}}, {kPhotometric, {5}}}, 32)),
              HasSubstr("neither grey nor RGB"));
  EXPECT_THAT(refusal_of(file({{kBits, {8, 8, 8}}, {kSamples, {3}}}, 12)), HasSubstr("3 samples a pixel"));
  const TiffTags two_strips = {{kWidth, {2}},       {kLength, {2}},      {kBits, {8}},
                               {kCompression, {1}}, {kPhotometric, {1}}, {kRows, {1}}};
  EXPECT_EQ(read_tiff(make_tiff(two_strips, {"ab", "cd"})).at<std::uint8_t>(1, 1), 'd');
  EXPECT_THAT(refusal_of(make_tiff(two_strips, {"ab", "c"})), HasSubstr("fewer than its size asks for"));
  EXPECT_THAT(refusal_of(file({{kWidth, {1u << 16}}, {kLength, {1u << 16}}}, 4)), HasSubstr("65536 x 65536 pixels"));
  // Transparency that is named as such is left out.
  const cv::Mat grey = read_tiff(file({{kBits, {16, 16}}, {kSamples, {2}}, {kExtra, {2}}}, 16));
  EXPECT_EQ(grey.type(), CV_16UC1);
  EXPECT_EQ(grey.at<std::uint16_t>(1, 1), 0x4040);
}

TEST(DecodeTiff, ReadsThePictureBesideItsThumbnail) {
  const TiffTags tags = {{kWidth, {2}},       {kLength, {1}},      {kBits, {8}},
                         {kCompression, {1}}, {kPhotometric, {1}}, {kRows, {1}}};
  TiffTags thumbnail = tags;
  thumbnail[254] = {1};
  EXPECT_EQ(read_tiff(make_tiff({{tags, {"ab"}}, {thumbnail, {"xx"}}})).at<std::uint8_t>(0, 1), 'b');
  EXPECT_THAT(refusal_of(make_tiff({{tags, {"ab"}}, {tags, {"cd"}}})), HasSubstr("2 pages"));
}

TEST(DecodeTiff, ScalesFewBitsAndTurnsPalettesIntoColours) {
  TiffTags tags = {{kWidth, {2}},       {kLength, {1}}, {kBits, {4}},       {kCompression, {1}},
                   {kPhotometric, {1}}, {kRows, {1}},   {kOrientation, {6}}};
  const cv::Mat grey = read_tiff(make_tiff(tags, {"\xf5"}));
  ASSERT_EQ(grey.size(), cv::Size(2, 1));
  EXPECT_EQ(grey.at<std::uint8_t>(0, 0), 255);
  EXPECT_EQ(grey.at<std::uint8_t>(0, 1), 85);
}

/// A picture of some detail.
std::string encoded(const std::string& extension, const std::vector<int>& parameters) {
  cv::Mat pixels(96, 96, CV_8UC1);
  cv::RNG random(7);
  random.fill(pixels, cv::RNG::UNIFORM, 0, 255);
  cv::GaussianBlur(pixels, pixels, {5, 5}, 0);
  std::vector<std::uint8_t> bytes;
  cv::imencode(extension, pixels, bytes, parameters);
  return {bytes.begin(), bytes.end()};
}

class Jpegs : public testing::TestWithParam<std::vector<int>> {
 protected:
  const std::string whole_ = encoded(".jpg", GetParam());
  /// Past all headers that can be told from coded data.
  const std::size_t data_ = whole_.find("\xff\xda") + 12;

  static bool reads(const std::string& bytes) {
    try {
      decode_jpeg(bytes, "scan.jpg");
      return true;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::kData);
      EXPECT_EQ(error.where(), "scan.jpg");
      return false;
    }
  }
};

TEST_P(Jpegs, AreReadWithoutTheirEndMarker) {
  const cv::Mat expected = decode_jpeg(whole_, "scan.jpg");
  const cv::Mat found = decode_jpeg(whole_.substr(0, whole_.size() - 2), "scan.jpg");
  EXPECT_EQ(cv::norm(found, expected, cv::NORM_INF), 0.0);
  EXPECT_EQ(cv::norm(cv::imdecode(std::vector<char>(whole_.begin(), whole_.end()), cv::IMREAD_UNCHANGED), expected,
                     cv::NORM_INF),
            0.0);
}

TEST_P(Jpegs, AreRefusedWhenDataAreMissing) {
  for (std::size_t size = data_; size + 3 < whole_.size(); size += 7) {
    EXPECT_FALSE(reads(whole_.substr(0, size))) << size;
    EXPECT_FALSE(reads(whole_.substr(0, size) + "\xff\xd9")) << size << " and an end marker";
  }
  std::string hole = whole_;
  hole.erase(data_ + (whole_.size() - data_) / 2, 200);
  EXPECT_FALSE(reads(hole));
}

TEST_P(Jpegs, AreRefusedWhenDataAreOverwritten) {
  std::mt19937 random(3);
  int passed = 0;
  constexpr int kRounds = 40;
  for (int round = 0; round < kRounds; ++round) {
    std::string changed = whole_;
    const std::size_t at = data_ + random() % (whole_.size() - data_ - 60);
    for (std::size_t i = 0; i < 40; ++i) changed[at + i] = static_cast<char>(random());
    passed += reads(changed) ? 1 : 0;
  }
  // There are no checksums: now and then other bytes are as well-formed and as long.
  EXPECT_LE(passed, kRounds / 10);
}

INSTANTIATE_TEST_SUITE_P(Kinds, Jpegs,
                         testing::Values(std::vector<int>{}, std::vector<int>{cv::IMWRITE_JPEG_PROGRESSIVE, 1},
                                         std::vector<int>{cv::IMWRITE_JPEG_RST_INTERVAL, 4}));

TEST(Decoders, NameAnAnimationASizeAndTheFormatsThatThereAre) {
  const TemporaryFolder folder;
  const std::string animated = std::string("RIFF\x1c\0\0\0WEBPVP8X\x0a\0\0\0\x02", 21) + std::string(15, '\0');
  write_bytes(folder / "anim.webp", animated);
  std::string huge = make_png(1, {"a"}, 8, 0);
  huge.replace(8, 25, png_chunk("IHDR", big_endian(1u << 30) + big_endian(1u << 30) + std::string("\x08\0\0\0\0", 5)));
  write_bytes(folder / "huge.png", huge);
  write_bytes(folder / "text.png", "no picture");
  std::string bmp = encoded(".bmp", {});
  write_bytes(folder / "cut.bmp", bmp.substr(0, 60));
  bmp[30] = 99;  // a compression that there is not
  write_bytes(folder / "strange.bmp", bmp);
  CaptureStderr();
  const auto said = [&](const char* name) { return std::string(error_of([&] { read_image(folder / name); }).what()); };
  EXPECT_THAT(said("anim.webp"), HasSubstr("animated WebP"));
  EXPECT_THAT(said("huge.png"), HasSubstr("1073741824 x 1073741824 pixels"));
  EXPECT_THAT(said("text.png"), HasSubstr("BMP, WebP"));
  EXPECT_THAT(said("cut.bmp"), HasSubstr("BMP file is cut off"));
  EXPECT_THAT(said("strange.bmp"), HasSubstr("BMP file is damaged"));
  EXPECT_EQ(GetCapturedStderr(), "") << "a decoder spoke of a file without its name";
}

// libpng warns of a profile that does not fit, and decodes.
TEST(Decoders, KeepTheirRemarksToThemselves) {
  std::string png = make_png(1, {"a"}, 8, 0);
  png.insert(33, png_chunk("gAMA", big_endian(0)) + png_chunk("sRGB", "\x09"));
  CaptureStderr();
  EXPECT_EQ(decode_png(png, "a.png").at<std::uint8_t>(0, 0), 'a');
  EXPECT_EQ(GetCapturedStderr(), "");
}

}  // namespace
}  // namespace osteon::data
