// SPDX-License-Identifier: Apache-2.0
#include "data/index_png.hpp"

#include <csetjmp>
#include <cstring>
#include <string>
#include <vector>

#include <png.h>

#include "base/error.hpp"
#include "data/image_file.hpp"

namespace osteon::data {
namespace {

/// libpng leaves by longjmp, which must not skip destructors: everything that owns memory lives here, outside the
/// functions that it jumps out of.
struct Reader {
  std::string bytes;
  std::size_t at = 0;
  std::string failure;
  png_structp png = nullptr;
  png_infop info = nullptr;
  cv::Mat pixels;
  std::vector<png_bytep> rows;

  ~Reader() { png_destroy_read_struct(&png, &info, nullptr); }
};

void on_error(png_structp png, png_const_charp message) {
  static_cast<Reader*>(png_get_error_ptr(png))->failure = message;
  png_longjmp(png, 1);
}

// Warnings concern colour profiles, texts and the like, none of which is used.
void on_warning(png_structp, png_const_charp) {}

void on_read(png_structp png, png_bytep to, std::size_t count) {
  Reader& reader = *static_cast<Reader*>(png_get_io_ptr(png));
  if (reader.bytes.size() - reader.at < count) png_error(png, "the file is cut off");
  std::memcpy(to, reader.bytes.data() + reader.at, count);
  reader.at += count;
}

bool read_header(Reader& reader) {
  if (setjmp(png_jmpbuf(reader.png))) return false;
  png_set_read_fn(reader.png, &reader, on_read);
  png_read_info(reader.png, reader.info);
  return true;
}

bool read_pixels(Reader& reader) {
  if (setjmp(png_jmpbuf(reader.png))) return false;
  png_read_image(reader.png, reader.rows.data());
  png_read_end(reader.png, nullptr);
  return true;
}

}  // namespace

cv::Mat read_index_png(const std::filesystem::path& path) {
  Reader reader;
  reader.bytes = read_regular_file(path);
  const auto* signature = reinterpret_cast<png_const_bytep>(reader.bytes.data());
  if (reader.bytes.size() < 8 || png_sig_cmp(signature, 0, 8) != 0)
    throw Error(ExitCode::kData, "is not a PNG file; class indices are read from PNG", path.string());
  check_whole_file(reader.bytes, path);
  const auto damaged = [&] {
    return Error(ExitCode::kData, "cannot decode the PNG: " + reader.failure, path.string());
  };

  reader.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &reader, on_error, on_warning);
  if (reader.png) reader.info = png_create_info_struct(reader.png);
  if (!reader.info) throw Error(ExitCode::kResources, "no memory to decode the PNG", path.string());
  if (!read_header(reader)) throw damaged();

  const int color = png_get_color_type(reader.png, reader.info);
  if (color != PNG_COLOR_TYPE_GRAY && color != PNG_COLOR_TYPE_PALETTE)
    throw Error(ExitCode::kData, "holds colours or transparency; a mask of class indices is a grey or palette PNG",
                path.string());
  const int depth = png_get_bit_depth(reader.png, reader.info);
  png_set_packing(reader.png);  // 1, 2 and 4 bits get a byte each, unscaled
  if (depth == 16) {
    const std::uint16_t one = 1;
    std::uint8_t first = 0;
    std::memcpy(&first, &one, 1);
    if (first == 1) png_set_swap(reader.png);  // PNG is big-endian
  }
  png_set_interlace_handling(reader.png);
  reader.pixels.create(static_cast<int>(png_get_image_height(reader.png, reader.info)),
                       static_cast<int>(png_get_image_width(reader.png, reader.info)),
                       depth == 16 ? CV_16UC1 : CV_8UC1);
  for (int y = 0; y < reader.pixels.rows; ++y) reader.rows.push_back(reader.pixels.ptr(y));
  if (!read_pixels(reader)) throw damaged();
  return reader.pixels;
}

}  // namespace osteon::data
