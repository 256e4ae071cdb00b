// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <png.h>
#include <opencv2/core.hpp>

namespace osteon::data {

/// A PNG file in memory. What libpng warns of concerns colour profiles, texts and the like, none of which is used, and
/// is not shown. Throws Error(kData), naming the path, for what cannot be decoded.
class PngReader {
 public:
  /// `bytes` outlive the reader and begin with the signature.
  PngReader(std::string_view bytes, std::filesystem::path path);
  ~PngReader();
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;

  int color_type() const { return png_get_color_type(png_, info_); }
  int bit_depth() const { return png_get_bit_depth(png_, info_); }
  cv::Size size() const {
    return {static_cast<int>(png_get_image_width(png_, info_)), static_cast<int>(png_get_image_height(png_, info_))};
  }

  enum class Values {
    kStored,   ///< as in the file: palette indices, grey of fewer than 8 bits unscaled
    kPicture,  ///< grey or RGB without transparency, scaled to at least 8 bits
  };
  /// CV_8U or CV_16U. Once.
  cv::Mat read(Values values);

 private:
  // libpng leaves by longjmp, which must not skip destructors: these own nothing.
  bool read_header();
  bool prepare(Values values);
  bool read_pixels();
  static void read_bytes(png_structp png, png_bytep to, std::size_t count);
  static void note_error(png_structp png, png_const_charp message);
  void require(bool done) const;

  std::string_view bytes_;
  std::filesystem::path path_;
  std::size_t at_ = 0;
  std::string failure_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  cv::Mat pixels_;
  std::vector<png_bytep> rows_;
};

}  // namespace osteon::data
