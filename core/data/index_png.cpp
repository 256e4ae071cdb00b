// SPDX-License-Identifier: Apache-2.0
#include "data/index_png.hpp"

#include <string>

#include "base/error.hpp"
#include "data/image_file.hpp"
#include "data/png_reader.hpp"

namespace osteon::data {

cv::Mat read_index_png(const std::filesystem::path& path) {
  const std::string bytes = read_regular_file(path);
  if (format_of(bytes) != ImageFormat::kPng)
    throw Error(ExitCode::kData, "is not a PNG file; class indices are read from PNG", path.string());
  check_whole_file(bytes, path);
  PngReader reader(bytes, path);
  if (reader.color_type() != PNG_COLOR_TYPE_GRAY && reader.color_type() != PNG_COLOR_TYPE_PALETTE)
    throw Error(ExitCode::kData, "holds colours or transparency; a mask of class indices is a grey or palette PNG",
                path.string());
  return reader.read(PngReader::Values::kStored);
}

}  // namespace osteon::data
