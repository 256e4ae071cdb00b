// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string_view>

#include <opencv2/core.hpp>

// One decoder for each format, from a whole file in memory. All give CV_8U or CV_16U, 1 channel (grey) or 3 in RGB
// order, on the grid that the file stores; transparency is left out. Where the data are damaged, so that a decoder
// would make up what is missing, or the file holds what cannot be given in this form, they throw Error(kData) that
// names the path and the reason. None writes to the terminal. [any-thread]
namespace osteon::data {

/// Any bit depth and colour type; palettes become colours, less than 8 bits are scaled to 8.
cv::Mat decode_png(std::string_view bytes, const std::filesystem::path& path);

/// Baseline and progressive; CMYK becomes RGB. Only the end marker may be missing. What a decoder finds amiss in coded
/// data (too few of them, too many, codes that there are not, scans that never came) is damage. JPEG has no checksums:
/// a changed byte that leaves the data well-formed cannot be seen.
cv::Mat decode_jpeg(std::string_view bytes, const std::filesystem::path& path);

/// One picture of unsigned integers: grey (either way round; min-is-white is inverted) or RGB of 8 or 16 bits in strips
/// or tiles, interleaved or in planes; and at up to 8 bits all else that libtiff turns into RGB (palettes, YCbCr, CMYK,
/// CIELab). Smaller copies beside the picture are passed over. The orientation is not applied.
cv::Mat decode_tiff(std::string_view bytes, const std::filesystem::path& path);
/// The size without decoding pixels.
cv::Size tiff_size(std::string_view bytes, const std::filesystem::path& path);

/// BMP, WebP, PNM and JPEG 2000, and whatever else OpenCV knows.
cv::Mat decode_by_opencv(std::string_view bytes, const std::filesystem::path& path);

/// Throws for sizes beyond what is read: 2^20 pixels a side, 2^30 in all.
void check_image_size(std::int64_t width, std::int64_t height, const std::filesystem::path& path);

}  // namespace osteon::data
