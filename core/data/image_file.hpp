// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include <opencv2/core.hpp>

// What can be known of an image file without decoding it.
namespace osteon::data {

/// Whether the name ends like an image that can be read: png, jpg, jpeg, tif, tiff, bmp, webp, pgm, ppm, pnm, jp2; any
/// case.
bool has_image_extension(const std::filesystem::path& path);

/// What the first bytes say that a file is.
enum class ImageFormat { kPng, kJpeg, kTiff, kBmp, kWebp, kPnm, kJpeg2000, kUnknown };
ImageFormat format_of(std::string_view bytes);
/// As people write it; null for kUnknown.
const char* name_of(ImageFormat format);

/// The bytes of a file of a data set. Throws Error(kData) for what cannot be read and for what is no regular file: a
/// FIFO would be waited for, and a device may never end.
std::string read_regular_file(const std::filesystem::path& path);

/// Throws Error(kData), where = "path:offset", if the bytes are not a whole file. Decoders fill what is missing from a
/// cut file with grey or black and only warn, so it is found out before they see it. PNG: every chunk's length and CRC,
/// up to IEND. JPEG: every segment up to the coded data of its last scan; whether these are whole, the decoder finds
/// out. BMP, WebP and PNM of bytes: the length that the header asks for. Other formats: not checked here, their
/// decoders refuse cut files.
void check_whole_file(std::string_view bytes, const std::filesystem::path& path);

/// Width and height as the header of a file says, but of a TIFF (tiff_size() reads it); nothing where it is cut or no
/// header, and for formats that are not known.
std::optional<cv::Size> size_from_header(std::string_view bytes);

}  // namespace osteon::data
