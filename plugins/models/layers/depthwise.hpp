// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

/// Inner loops of inference on the CPU that work on rows of images: float32, channels last. Results do not depend on
/// the number of threads.
namespace osteon::layers::kernels {

/// Rows [first, ...) of an image of height x width pixels, [rows, width, channels] without gaps.
struct ImageRows {
  const float* pixels = nullptr;
  std::int64_t first = 0;
  std::int64_t height = 1, width = 1, channels = 1;

  const float* at(std::int64_t y, std::int64_t x) const { return pixels + ((y - first) * width + x) * channels; }
};

/// Rows [begin, end) of the 3x3 convolution of each channel by itself, with as much padding as dilation.
/// @param in    has every row of the image from begin - dilation to end + dilation
/// @param taps  [9, channels]
/// @param out   [end - begin, width, channels]
void convolve_depthwise(const ImageRows& in, std::int64_t begin, std::int64_t end, std::int64_t dilation,
                        const float* taps, float* out, int threads);

/// Rows [begin, end) of `in`, a whole image, resized bilinearly to height x width (align_corners = true).
/// @param out  [end - begin, width], `stride` floats from pixel to pixel; in.channels of them are written
void resize_corners(const ImageRows& in, std::int64_t height, std::int64_t width, std::int64_t begin, std::int64_t end,
                    float* out, std::int64_t stride, int threads);

}  // namespace osteon::layers::kernels
