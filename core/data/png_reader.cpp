// SPDX-License-Identifier: Apache-2.0
#include "data/png_reader.hpp"

#include <csetjmp>
#include <cstdint>
#include <cstring>
#include <utility>

#include "base/error.hpp"
#include "data/decode.hpp"

namespace osteon::data {
namespace {

void ignore_png_warning(png_structp, png_const_charp) {}

bool is_little_endian() {
  const std::uint16_t one = 1;
  std::uint8_t first = 0;
  std::memcpy(&first, &one, 1);
  return first == 1;
}

}  // namespace

PngReader::PngReader(std::string_view bytes, std::filesystem::path path) : bytes_(bytes), path_(std::move(path)) {
  png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, note_error, ignore_png_warning);
  if (png_ != nullptr) info_ = png_create_info_struct(png_);
  const bool created = info_ != nullptr;
  try {
    if (!created) throw Error(ExitCode::kResources, "no memory to decode the PNG", path_.string());
    require(read_header());
  } catch (...) {
    png_destroy_read_struct(&png_, &info_, nullptr);
    throw;
  }
}

PngReader::~PngReader() { png_destroy_read_struct(&png_, &info_, nullptr); }

cv::Mat PngReader::read(Values values) {
  require(prepare(values));
  const int height = static_cast<int>(png_get_image_height(png_, info_));
  const int depth = png_get_bit_depth(png_, info_) == 16 ? CV_16U : CV_8U;
  pixels_.create(height, static_cast<int>(png_get_image_width(png_, info_)),
                 CV_MAKETYPE(depth, png_get_channels(png_, info_)));
  for (int y = 0; y < height; ++y) rows_.push_back(pixels_.ptr(y));
  require(read_pixels());
  return pixels_;
}

void PngReader::note_error(png_structp png, png_const_charp message) {
  static_cast<PngReader*>(png_get_error_ptr(png))->failure_ = message;
  png_longjmp(png, 1);
}

void PngReader::read_bytes(png_structp png, png_bytep to, std::size_t count) {
  PngReader& reader = *static_cast<PngReader*>(png_get_io_ptr(png));
  if (reader.bytes_.size() - reader.at_ < count) png_error(png, "the file is cut off");
  std::memcpy(to, reader.bytes_.data() + reader.at_, count);
  reader.at_ += count;
}

bool PngReader::read_header() {
  if (setjmp(png_jmpbuf(png_))) return false;
  png_set_read_fn(png_, this, read_bytes);
  png_read_info(png_, info_);
  return true;
}

bool PngReader::prepare(Values values) {
  if (setjmp(png_jmpbuf(png_))) return false;
  if (values == Values::kPicture) {
    const int type = png_get_color_type(png_, info_);
    if (type == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png_);
    if (type == PNG_COLOR_TYPE_GRAY) png_set_expand_gray_1_2_4_to_8(png_);
    png_set_strip_alpha(png_);
  }
  png_set_packing(png_);  // 1, 2 and 4 bits get a byte each
  if (png_get_bit_depth(png_, info_) == 16 && is_little_endian()) png_set_swap(png_);  // PNG is big-endian
  png_set_interlace_handling(png_);
  png_read_update_info(png_, info_);
  return true;
}

bool PngReader::read_pixels() {
  if (setjmp(png_jmpbuf(png_))) return false;
  png_read_image(png_, rows_.data());
  png_read_end(png_, nullptr);
  return true;
}

void PngReader::require(bool done) const {
  if (!done) throw Error(ExitCode::kData, "cannot decode the PNG: " + failure_, path_.string());
}

cv::Mat decode_png(std::string_view bytes, const std::filesystem::path& path) {
  return PngReader(bytes, path).read(PngReader::Values::kPicture);
}

}  // namespace osteon::data
