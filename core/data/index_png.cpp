// SPDX-License-Identifier: Apache-2.0
#include "data/index_png.hpp"

#include <string>

#include "base/error.hpp"
#include "data/image_file.hpp"
#include "data/png_reader.hpp"

namespace osteon::data {
namespace {

std::string read_png_file(const std::filesystem::path& path) {
  std::string bytes = read_regular_file(path);
  if (format_of(bytes) != ImageFormat::kPng)
    throw Error(ExitCode::kData, "is not a PNG file; class indices are read from PNG", path.string());
  check_whole_file(bytes, path);
  return bytes;
}

void expect_indices(const PngReader& reader, const std::filesystem::path& path) {
  if (reader.color_type() != PNG_COLOR_TYPE_GRAY && reader.color_type() != PNG_COLOR_TYPE_PALETTE)
    throw Error(ExitCode::kData, "holds colours or transparency; a mask of class indices is a grey or palette PNG",
                path.string());
}

}  // namespace

cv::Size read_index_png_size(const std::filesystem::path& path) {
  const std::string bytes = read_png_file(path);
  const PngReader reader(bytes, path);
  expect_indices(reader, path);
  return reader.size();
}

cv::Mat read_index_png(const std::filesystem::path& path) {
  const std::string bytes = read_png_file(path);
  PngReader reader(bytes, path);
  expect_indices(reader, path);
  return reader.read(PngReader::Values::kStored);
}

}  // namespace osteon::data
