// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>

#include <opencv2/core.hpp>

namespace osteon::data {

/// Reads class indices from a PNG: grey of 1 to 16 bits as stored (never scaled to the full range), or palette entries
/// as numbers, which OpenCV would turn into colours. CV_8UC1, or CV_16UC1 for 16 bits. [any-thread]
///
/// Throws Error(kData), naming path and, where it is known, byte offset, for a missing, cut, damaged, coloured or
/// transparent (grey with alpha) file.
cv::Mat read_index_png(const std::filesystem::path& path);
/// Its size, of a file that is whole and of a kind that read_index_png() takes; decodes no pixel. Throws as that does.
cv::Size read_index_png_size(const std::filesystem::path& path);

}  // namespace osteon::data
