// SPDX-License-Identifier: Apache-2.0
#include "data/image.hpp"

#include <string>
#include <string_view>

#include "base/error.hpp"
#include "data/decode.hpp"
#include "data/image_file.hpp"

namespace osteon::data {
namespace {

cv::Mat decode(std::string_view bytes, const std::filesystem::path& path) {
  switch (format_of(bytes)) {
    case ImageFormat::kPng:
      return decode_png(bytes, path);
    case ImageFormat::kJpeg:
      return decode_jpeg(bytes, path);
    case ImageFormat::kTiff:
      return decode_tiff(bytes, path);
    default:
      return decode_by_opencv(bytes, path);
  }
}

/// The file's bytes, found whole and of a size that is read.
std::string whole_file(const std::filesystem::path& path) {
  std::string bytes = read_regular_file(path);
  check_whole_file(bytes, path);
  if (const auto size = size_from_header(bytes)) check_image_size(size->width, size->height, path);
  return bytes;
}

}  // namespace

Image read_image(const std::filesystem::path& path) {
  Image image;
  image.pixels = decode(whole_file(path), path);
  image.maximum = greatest_of(image.pixels.depth());
  return image;
}

cv::Size read_image_size(const std::filesystem::path& path) {
  const std::string bytes = whole_file(path);
  if (format_of(bytes) == ImageFormat::kTiff) return tiff_size(bytes, path);
  if (const auto size = size_from_header(bytes)) return *size;
  return decode(bytes, path).size();
}

double greatest_of(int depth) { return depth == CV_8U ? 255.0 : 65535.0; }

}  // namespace osteon::data
