// SPDX-License-Identifier: Apache-2.0
#include "data/image_file.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>

#include <zlib.h>

#include "base/error.hpp"
#include "base/file.hpp"
#include "data/header_size.hpp"

namespace osteon::data {
namespace {

constexpr std::string_view kPngSignature = "\x89PNG\r\n\x1a\n";
constexpr std::string_view kJpegStart = "\xff\xd8\xff";

[[noreturn]] void fail(const std::string& what, const std::filesystem::path& path, std::size_t offset) {
  throw Error(ExitCode::kData, what, path.string() + ":" + std::to_string(offset));
}

std::uint32_t big_endian(std::string_view bytes, std::size_t at, int count) {
  std::uint32_t value = 0;
  for (int i = 0; i < count; ++i)
    value = value << 8 | static_cast<std::uint8_t>(bytes[at + static_cast<std::size_t>(i)]);
  return value;
}

void check_png(std::string_view bytes, const std::filesystem::path& path) {
  constexpr std::size_t kFrame = 12;  // length, type and CRC
  for (std::size_t at = kPngSignature.size();;) {
    if (bytes.size() - at < kFrame) fail("the PNG file is cut off: it ends before its IEND chunk", path, bytes.size());
    const std::size_t length = big_endian(bytes, at, 4);
    const std::string type(bytes.substr(at + 4, 4));
    if (bytes.size() - at - kFrame < length)
      fail("the PNG file is cut off: it ends inside a chunk of " + std::to_string(length) +
               " bytes that began at byte " + std::to_string(at),
           path, bytes.size());
    const auto crc = crc32(0, reinterpret_cast<const Bytef*>(bytes.data() + at + 4), static_cast<uInt>(length + 4));
    if (crc != big_endian(bytes, at + 8 + length, 4))
      fail("the PNG file is damaged: a chunk's checksum is wrong", path, at);
    if (type == "IEND") return;
    at += kFrame + length;
  }
}

bool is_frame_header(int marker) {
  return marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
}

bool stands_alone(int marker) { return marker == 0x01 || (marker >= 0xd0 && marker <= 0xd8); }

constexpr int kStartOfScan = 0xda;

/// Calls `visit(marker, offset of the segment's length)` for each marker after SOI; stops when it returns true. Returns
/// the offset at which the file ended too early, or 0.
template <typename Visit>
std::size_t walk_jpeg(std::string_view bytes, Visit&& visit) {
  std::size_t at = 2;
  while (true) {
    // A marker may be preceded by any number of fill bytes 0xff. Stray bytes between segments are passed over as
    // decoders do.
    while (at < bytes.size() && static_cast<std::uint8_t>(bytes[at]) != 0xff) ++at;
    while (at < bytes.size() && static_cast<std::uint8_t>(bytes[at]) == 0xff) ++at;
    if (at >= bytes.size()) return bytes.size();
    const int marker = static_cast<std::uint8_t>(bytes[at++]);
    if (marker == 0 || stands_alone(marker)) continue;
    if (visit(marker, at)) return 0;
    if (bytes.size() - at < 2) return bytes.size();
    const std::size_t length = big_endian(bytes, at, 2);
    if (bytes.size() - at < length) return bytes.size();
    at += length;
    if (marker != kStartOfScan) continue;
    // Coded data: 0xff is followed by 0 or a restart marker inside it, by any other marker after it.
    for (; at + 1 < bytes.size(); ++at) {
      const int next = static_cast<std::uint8_t>(bytes[at + 1]);
      if (static_cast<std::uint8_t>(bytes[at]) == 0xff && next != 0 && !stands_alone(next)) break;
    }
  }
}

/// A file may end in its coded data: the decoder knows whether all of them were there.
void check_jpeg(std::string_view bytes, const std::filesystem::path& path) {
  constexpr int kEndOfImage = 0xd9;
  std::size_t data = 0;  // after the header of the last scan
  const std::size_t end = walk_jpeg(bytes, [&](int marker, std::size_t at) {
    data = marker == kStartOfScan && bytes.size() - at >= 2 ? at + big_endian(bytes, at, 2) : 0;
    return marker == kEndOfImage;
  });
  if (end != 0 && (data == 0 || data >= bytes.size()))
    fail("the JPEG file is cut off: it ends before its picture", path, end);
}

/// A file of which the header says how long it is at least.
void check_length(std::uint64_t least, std::string_view bytes, ImageFormat format, const std::filesystem::path& path) {
  if (bytes.size() < least)
    fail("the " + std::string(name_of(format)) + " file is cut off: it takes " + std::to_string(least) +
             " bytes, as its header says, and has " + std::to_string(bytes.size()),
         path, bytes.size());
}

bool begins(std::string_view bytes, std::string_view start) { return bytes.substr(0, start.size()) == start; }

}  // namespace

bool has_image_extension(const std::filesystem::path& path) {
  static const std::array<std::string_view, 11> kKnown = {".png",  ".jpg", ".jpeg", ".tif", ".tiff", ".bmp",
                                                          ".webp", ".pgm", ".ppm",  ".pnm", ".jp2"};
  std::string extension = path.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c); });
  return std::find(kKnown.begin(), kKnown.end(), extension) != kKnown.end();
}

ImageFormat format_of(std::string_view bytes) {
  using namespace std::string_view_literals;
  if (begins(bytes, kPngSignature)) return ImageFormat::kPng;
  if (begins(bytes, kJpegStart)) return ImageFormat::kJpeg;
  for (const std::string_view start : {"II*\0"sv, "MM\0*"sv, "II+\0"sv, "MM\0+"sv})
    if (begins(bytes, start)) return ImageFormat::kTiff;
  if (begins(bytes, "BM")) return ImageFormat::kBmp;
  if (begins(bytes, "RIFF") && bytes.size() >= 12 && bytes.substr(8, 4) == "WEBP") return ImageFormat::kWebp;
  if (bytes.size() >= 2 && bytes[0] == 'P' && bytes[1] >= '1' && bytes[1] <= '7') return ImageFormat::kPnm;
  if (begins(bytes, "\0\0\0\x0cjP  "sv) || begins(bytes, "\xff\x4f\xff\x51"sv)) return ImageFormat::kJpeg2000;
  return ImageFormat::kUnknown;
}

const char* name_of(ImageFormat format) {
  static const char* const kNames[] = {"PNG", "JPEG", "TIFF", "BMP", "WebP", "PNM", "JPEG 2000", nullptr};
  return kNames[static_cast<std::size_t>(format)];
}

std::string read_regular_file(const std::filesystem::path& path) {
  std::error_code ignored;  // read_file says why
  const std::filesystem::file_status status = std::filesystem::status(path, ignored);
  if (std::filesystem::is_other(status))
    throw Error(ExitCode::kData, "is a FIFO, a socket or a device, not a file", path.string());
  return read_file(path);
}

void check_whole_file(std::string_view bytes, const std::filesystem::path& path) {
  if (bytes.empty()) fail("the file is empty", path, 0);
  const ImageFormat format = format_of(bytes);
  if (format == ImageFormat::kPng) check_png(bytes, path);
  if (format == ImageFormat::kJpeg) check_jpeg(bytes, path);
  if (format == ImageFormat::kBmp) check_length(bmp_bytes(bytes), bytes, format, path);
  if (format == ImageFormat::kWebp) check_length(webp_bytes(bytes), bytes, format, path);
  if (format == ImageFormat::kPnm) check_length(pnm_bytes(bytes), bytes, format, path);
}

namespace {

std::optional<cv::Size> png_size(std::string_view bytes) {
  constexpr std::size_t kPngHeaderEnd = 24;
  if (bytes.size() < kPngHeaderEnd) return std::nullopt;
  return cv::Size(static_cast<int>(big_endian(bytes, 16, 4)), static_cast<int>(big_endian(bytes, 20, 4)));
}

std::optional<cv::Size> jpeg_size(std::string_view bytes) {
  std::optional<cv::Size> size;
  walk_jpeg(bytes, [&](int marker, std::size_t at) {
    if (!is_frame_header(marker) || bytes.size() - at < 7) return false;
    size = cv::Size(static_cast<int>(big_endian(bytes, at + 5, 2)), static_cast<int>(big_endian(bytes, at + 3, 2)));
    return true;
  });
  return size;
}

}  // namespace

std::optional<cv::Size> size_from_header(std::string_view bytes) {
  switch (format_of(bytes)) {
    case ImageFormat::kPng:
      return png_size(bytes);
    case ImageFormat::kJpeg:
      return jpeg_size(bytes);
    case ImageFormat::kBmp:
      return bmp_size(bytes);
    case ImageFormat::kWebp:
      return webp_size(bytes);
    case ImageFormat::kPnm:
      return pnm_size(bytes);
    case ImageFormat::kJpeg2000:
      return jpeg2000_size(bytes);
    default:
      return std::nullopt;
  }
}

}  // namespace osteon::data
