// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>

#include <opencv2/core.hpp>

namespace osteon::data {

/// An image, as its file holds it or on its way to the model.
struct Image {
  /// CV_8U or CV_16U, 1 (grey) or 3 channels, in RGB order; CV_32F on 0..1 once it is a view (view.hpp) or a step made
  /// it so.
  cv::Mat pixels;
  /// The greatest value that the depth can hold, 255 or 65535. A detector's 12 bits in a 16-bit file are not stretched:
  /// the file does not say how many bits were used, and guessing from the pixels would make an image's scale
  /// depend on what it shows.
  double maximum = 255.0;
  /// CV_8U or CV_16U: the depth of the file, of a view that may be rounded to it; -1: none.
  int file_depth = -1;

  cv::Size size() const { return pixels.size(); }
};

/// Reads PNG, JPEG, TIFF, BMP, WebP, PNM or JPEG 2000; decode.hpp says which of each. Palettes become colours.
/// Transparency is left out. An orientation (EXIF or TIFF) is not applied: labels and predicted masks are on the grid
/// that the file stores. Decoders write nothing to the terminal. [any-thread]
///
/// Throws Error(kData), naming path and, where it is known, byte offset, for a file that is missing, cut off, damaged
/// or not an image, and for depths other than 8 and 16 bits of unsigned integers.
Image read_image(const std::filesystem::path& path);

/// The size without decoding pixels where the format allows it (PNG, JPEG, TIFF). Throws as read_image does for what it
/// sees.
cv::Size read_image_size(const std::filesystem::path& path);

/// The greatest value of CV_8U or CV_16U.
double greatest_of(int depth);

}  // namespace osteon::data
