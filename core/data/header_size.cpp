// SPDX-License-Identifier: Apache-2.0
#include "data/header_size.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <limits>

namespace osteon::data {
namespace {

std::uint64_t from_big(std::string_view bytes, std::size_t at, std::size_t count) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < count; ++i) value = value << 8 | static_cast<std::uint8_t>(bytes[at + i]);
  return value;
}

std::uint32_t from_little(std::string_view bytes, std::size_t at, std::size_t count) {
  std::uint32_t value = 0;
  for (std::size_t i = count; i-- > 0;) value = value << 8 | static_cast<std::uint8_t>(bytes[at + i]);
  return value;
}

/// What no picture has is left to the decoder, which says what is wrong.
std::optional<cv::Size> size_of(std::int64_t width, std::int64_t height) {
  constexpr std::int64_t kMost = std::numeric_limits<int>::max();
  if (width < 1 || height < 1 || width > kMost || height > kMost) return std::nullopt;
  return cv::Size(static_cast<int>(width), static_cast<int>(height));
}

/// Of a codestream: a marker SOC, and SIZ with the grid and where on it the picture begins.
std::optional<cv::Size> codestream_size(std::string_view bytes) {
  constexpr std::size_t kGrid = 8, kEnd = 24;
  if (bytes.size() < kEnd || bytes.substr(0, 4) != "\xff\x4f\xff\x51") return std::nullopt;
  const auto number = [&](std::size_t at) { return static_cast<std::int64_t>(from_big(bytes, kGrid + at, 4)); };
  return size_of(number(0) - number(8), number(4) - number(12));
}

/// A number of a PNM header, which white space and comments go before.
std::optional<std::int64_t> pnm_number(std::string_view bytes, std::size_t& at) {
  const auto is_digit = [&] { return at < bytes.size() && bytes[at] >= '0' && bytes[at] <= '9'; };
  for (; at < bytes.size() && !is_digit(); ++at) {
    if (bytes[at] == '#')
      at = std::min(bytes.find('\n', at), bytes.size() - 1);
    else if (std::string_view(" \t\r\n\v\f").find(bytes[at]) == std::string_view::npos)
      return std::nullopt;
  }
  if (!is_digit()) return std::nullopt;
  std::int64_t value = 0;
  for (; is_digit(); ++at)
    if ((value = value * 10 + (bytes[at] - '0')) > std::numeric_limits<int>::max()) return std::nullopt;
  return value;
}

}  // namespace

std::optional<cv::Size> bmp_size(std::string_view bytes) {
  constexpr std::size_t kHeaderSize = 14, kNumbers = 18, kEnd = 26;
  constexpr std::uint32_t kOldHeader = 12;  // of OS/2
  if (bytes.size() < kEnd) return std::nullopt;
  if (from_little(bytes, kHeaderSize, 4) == kOldHeader)
    return size_of(from_little(bytes, kNumbers, 2), from_little(bytes, kNumbers + 2, 2));
  // From the top down where the height is negative.
  const auto signed_at = [&](std::size_t at) -> std::int64_t {
    return static_cast<std::int32_t>(from_little(bytes, at, 4));
  };
  return size_of(signed_at(kNumbers), std::abs(signed_at(kNumbers + 4)));
}

std::optional<cv::Size> webp_size(std::string_view bytes) {
  constexpr std::size_t kChunk = 12, kContent = 20, kEnd = 30;
  if (bytes.size() < kEnd) return std::nullopt;
  const std::string_view kind = bytes.substr(kChunk, 4);
  if (kind == "VP8X") return size_of(from_little(bytes, kContent + 4, 3) + 1, from_little(bytes, kContent + 7, 3) + 1);
  if (kind == "VP8 " && bytes.substr(kContent + 3, 3) == "\x9d\x01\x2a")
    return size_of(from_little(bytes, kContent + 6, 2) & 0x3fff, from_little(bytes, kContent + 8, 2) & 0x3fff);
  if (kind == "VP8L" && bytes[kContent] == '\x2f') {
    const std::uint32_t bits = from_little(bytes, kContent + 1, 4);
    return size_of((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1);
  }
  return std::nullopt;
}

std::optional<cv::Size> pnm_size(std::string_view bytes) {
  // PAM, P7, has its sizes by name; it is rare and left to the decoder.
  if (bytes.size() < 2 || bytes[1] == '7') return std::nullopt;
  std::size_t at = 2;
  const auto width = pnm_number(bytes, at);
  const auto height = width ? pnm_number(bytes, at) : std::nullopt;
  return height ? size_of(*width, *height) : std::nullopt;
}

std::uint64_t bmp_bytes(std::string_view bytes) {
  constexpr std::size_t kPixels = 10, kHeaderSize = 14, kEnd = 34;
  constexpr std::uint32_t kOldHeader = 12, kPlain = 0, kPlainWithMasks = 3;
  const std::optional<cv::Size> size = bmp_size(bytes);
  if (!size || bytes.size() < kEnd) return 0;
  const bool old = from_little(bytes, kHeaderSize, 4) == kOldHeader;
  const std::uint32_t compression = old ? kPlain : from_little(bytes, 30, 4);
  if (compression != kPlain && compression != kPlainWithMasks) return 0;
  const std::uint64_t bits =
      std::uint64_t{from_little(bytes, old ? 24 : 28, 2)} * static_cast<std::uint64_t>(size->width);
  // Rows are filled up to four bytes; some writers leave that out at the last one.
  return from_little(bytes, kPixels, 4) + (bits + 31) / 32 * 4 * (static_cast<std::uint64_t>(size->height) - 1) +
         (bits + 7) / 8;
}

std::uint64_t webp_bytes(std::string_view bytes) {
  return bytes.size() < 8 ? 0 : std::uint64_t{from_little(bytes, 4, 4)} + 8;
}

std::uint64_t pnm_bytes(std::string_view bytes) {
  if (bytes.size() < 2 || bytes[1] < '4' || bytes[1] > '6') return 0;  // the others are of texts
  std::size_t at = 2;
  const auto width = pnm_number(bytes, at);
  const auto height = width ? pnm_number(bytes, at) : std::nullopt;
  const bool bitmap = bytes[1] == '4';
  const auto greatest = bitmap || !height ? height : pnm_number(bytes, at);
  if (!greatest) return 0;
  const auto columns = static_cast<std::uint64_t>(*width), rows = static_cast<std::uint64_t>(*height);
  const std::uint64_t sample = (bytes[1] == '6' ? 3u : 1u) * (*greatest > 255 ? 2u : 1u);
  return at + 1 + (bitmap ? (columns + 7) / 8 : columns * sample) * rows;
}

std::optional<cv::Size> jpeg2000_size(std::string_view bytes) {
  if (const auto size = codestream_size(bytes)) return size;
  constexpr std::size_t kBox = 8, kLongBox = 16;
  for (std::size_t at = 0; bytes.size() - at >= kLongBox;) {
    const std::uint64_t length = from_big(bytes, at, 4);
    const bool is_long = length == 1;
    if (bytes.substr(at + 4, 4) == "jp2c") return codestream_size(bytes.substr(at + (is_long ? kLongBox : kBox)));
    const std::uint64_t whole = is_long ? from_big(bytes, at + kBox, 8) : length;
    if (whole < kBox || whole > bytes.size() - at) return std::nullopt;
    at += static_cast<std::size_t>(whole);
  }
  return std::nullopt;
}

}  // namespace osteon::data
