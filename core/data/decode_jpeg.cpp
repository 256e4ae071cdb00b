// SPDX-License-Identifier: Apache-2.0
#include <csetjmp>
#include <cstdio>
#include <string>

// jpeglib.h needs <cstdio> before it.
#include <jpeglib.h>
// After it, for its codes.
#include <jerror.h>

#include "base/error.hpp"
#include "data/decode.hpp"

namespace osteon::data {
namespace {

/// libjpeg leaves by longjmp, which must not skip destructors: everything that owns memory lives here, outside the
/// functions that it jumps out of.
struct JpegReader {
  jpeg_decompress_struct codec{};
  jpeg_error_mgr errors{};
  std::jmp_buf leave{};
  bool in_data = false;  ///< past the headers
  bool is_cut = false;   ///< no end marker
  std::string failure;   ///< why it left
  std::string damage;    ///< the first warning about coded data
  cv::Mat pixels;

  ~JpegReader() { jpeg_destroy_decompress(&codec); }
};

JpegReader& reader_of(j_common_ptr codec) { return *static_cast<JpegReader*>(codec->client_data); }

std::string jpeg_message(j_common_ptr codec) {
  char text[JMSG_LENGTH_MAX];
  codec->err->format_message(codec, text);
  return text;
}

void on_jpeg_error(j_common_ptr codec) {
  reader_of(codec).failure = jpeg_message(codec);
  std::longjmp(reader_of(codec).leave, 1);
}

/// Level -1 is a warning; above are remarks.
void on_jpeg_message(j_common_ptr codec, int level) {
  JpegReader& reader = reader_of(codec);
  if (level >= 0 || !reader.damage.empty()) return;
  switch (codec->err->msg_code) {
    case JWRN_JPEG_EOF:  // the end marker alone is missing, or another warning comes beside it
      reader.is_cut = true;
      return;
    case JWRN_JFIF_MAJOR:
    case JWRN_ADOBE_XFORM:
      return;
    case JWRN_EXTRANEOUS_DATA:  // between headers they cost nothing
      if (!reader.in_data) return;
      break;
    default:
      break;
  }
  reader.damage = jpeg_message(codec);
}

bool read_jpeg_header(JpegReader& reader, std::string_view bytes) {
  if (setjmp(reader.leave)) return false;
  jpeg_create_decompress(&reader.codec);
  jpeg_mem_src(&reader.codec, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
  jpeg_read_header(&reader.codec, TRUE);
  reader.in_data = true;
  return true;
}

/// Of progressive files: whether some bit of some coefficient was never sent.
bool lacks_scans(const jpeg_decompress_struct& codec) {
  if (!codec.progressive_mode || codec.coef_bits == nullptr) return false;
  for (int component = 0; component < codec.num_components; ++component)
    for (int k = 0; k < DCTSIZE2; ++k)
      if (codec.coef_bits[component][k] != 0) return true;
  return false;
}

bool read_jpeg_pixels(JpegReader& reader) {
  if (setjmp(reader.leave)) return false;
  jpeg_start_decompress(&reader.codec);
  if (lacks_scans(reader.codec)) reader.damage = "not all of its scans are there";
  while (reader.codec.output_scanline < reader.codec.output_height) {
    JSAMPROW row = reader.pixels.ptr(static_cast<int>(reader.codec.output_scanline));
    jpeg_read_scanlines(&reader.codec, &row, 1);
  }
  jpeg_finish_decompress(&reader.codec);
  return true;
}

/// Adobe writes CMYK inverted: 255 is no ink.
cv::Mat cmyk_to_rgb(const cv::Mat& cmyk, bool inverted) {
  cv::Mat rgb(cmyk.size(), CV_8UC3);
  for (int y = 0; y < cmyk.rows; ++y)
    for (int x = 0; x < cmyk.cols; ++x) {
      const auto ink = cmyk.at<cv::Vec4b>(y, x);
      for (int c = 0; c < 3; ++c) {
        const int color = inverted ? ink[c] : 255 - ink[c], key = inverted ? ink[3] : 255 - ink[3];
        rgb.at<cv::Vec3b>(y, x)[c] = static_cast<std::uint8_t>((color * key + 127) / 255);
      }
    }
  return rgb;
}

}  // namespace

cv::Mat decode_jpeg(std::string_view bytes, const std::filesystem::path& path) {
  JpegReader reader;
  reader.codec.err = jpeg_std_error(&reader.errors);
  reader.codec.client_data = &reader;
  reader.errors.error_exit = on_jpeg_error;
  reader.errors.emit_message = on_jpeg_message;
  const auto refusal = [&](const std::string& what) { return Error(ExitCode::kData, what, path.string()); };
  if (!read_jpeg_header(reader, bytes)) throw refusal("cannot decode the JPEG: " + reader.failure);

  const int components = reader.codec.num_components;
  if (components != 1 && components != 3 && components != 4)
    throw refusal("the JPEG has " + std::to_string(components) + " components; 1, 3 or 4 are read");
  reader.codec.out_color_space = components == 1 ? JCS_GRAYSCALE : components == 3 ? JCS_RGB : JCS_CMYK;
  check_image_size(reader.codec.image_width, reader.codec.image_height, path);
  reader.pixels.create(static_cast<int>(reader.codec.image_height), static_cast<int>(reader.codec.image_width),
                       CV_8UC(components));
  if (!read_jpeg_pixels(reader)) throw refusal("cannot decode the JPEG: " + reader.failure);
  if (!reader.damage.empty())
    throw refusal((reader.is_cut ? "the JPEG file is cut off: " : "the JPEG file is damaged: ") + reader.damage);
  return components == 4 ? cmyk_to_rgb(reader.pixels, reader.codec.saw_Adobe_marker != 0) : reader.pixels;
}

}  // namespace osteon::data
