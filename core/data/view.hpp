// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include <opencv2/core.hpp>

#include "data/image.hpp"
#include "data/intensity.hpp"
#include "plugin/call.hpp"

/// What a model sees of an image: the same code in training, validation and prediction, so that it is the same to the
/// last bit. An image goes through it in this order:
///
///     root_pixels    the file's integers to float32 0..1, with the file's own channels
///     resize_image   to the view's size
///     IntensityMap   one scale for all exposures, of the whole source image's grey values (data/intensity.hpp)
///     (in training, before the first augmentation that runs: rounded to the file's depth)
///     with_channels  grey or colour, as the model takes it
///     write_planes   mean and standard deviation, one plane per channel
namespace osteon::data {

/// CV_32F, 0..1, continuous, with the image's own channels.
cv::Mat root_pixels(const Image& image);

/// The resize of the view. Any depth, H x W x C.
///
/// Pixel areas are aligned (half-pixel centres, as cv::resize and PyTorch's align_corners = false do it). Where either
/// axis shrinks by more than two, pixels are averaged over areas, for bilinear interpolation would skip some; otherwise
/// bilinear.
cv::Mat resize_image(const cv::Mat& pixels, cv::Size size);

/// The view of a file's image, with the file's channels: float32 on 0..1, or, where nothing was done to it, in the
/// file's depth, which says the same and takes less memory.
Image view_of(const Image& file, cv::Size size, const Intensity& intensity = {});

/// A view rounded to the depth of its file, in which augmentations work; of another image, itself.
Image in_file_depth(const Image& view);

/// `pixels` where they have so many channels, 1 or 3. Grey is repeated; colour becomes grey by ITU-R BT.601 weights.
cv::Mat with_channels(const cv::Mat& pixels, int channels);

/// CV_32F pixels, normalised, as planes [channels, H, W] at `out`.
/// @param mean, std  per channel on 0..1; empty: 0 and 1
/// @param scale      of the pixels, before these
void write_planes(const osteon_call* call, const cv::Mat& pixels, const ModelScale& scale,
                  const std::vector<double>& mean, const std::vector<double>& std, float* out);

}  // namespace osteon::data
