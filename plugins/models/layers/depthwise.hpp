// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "lanes.hpp"

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

/// How a square kernel goes over an image.
struct DepthwiseShape {
  std::int64_t kernel = 3;  ///< side, 3 or 5
  std::int64_t stride = 1, dilation = 1;
  std::int64_t before = 1;     ///< zeros in front of the first row and column
  std::int64_t out_width = 1;  ///< pixels of a row of the result; as many zeros follow as that takes
};

/// Rows [begin, end) of the convolution of each channel by itself.
/// @param in        has every row of the image that the kernel reaches from them
/// @param taps      [kernel * kernel, channels]
/// @param epilogue  without a residual; a shift of null is 0
/// @param out       [end - begin, out_width, channels]
/// @param sums      what each row of the result adds up to, [end - begin, channels]; null: not wanted
void convolve_depthwise(const ImageRows& in, std::int64_t begin, std::int64_t end, const DepthwiseShape& shape,
                        const float* taps, const Epilogue& epilogue, float* out, float* sums, int threads);

/// Rows [begin, end) of `in`, a whole image, resized bilinearly to height x width (align_corners = true).
/// @param out  [end - begin, width], `stride` floats from pixel to pixel; in.channels of them are written
void resize_corners(const ImageRows& in, std::int64_t height, std::int64_t width, std::int64_t begin, std::int64_t end,
                    float* out, std::int64_t stride, int threads);

}  // namespace osteon::layers::kernels
