// SPDX-License-Identifier: Apache-2.0
#include "data/view.hpp"

#include <string>

#include <opencv2/imgproc.hpp>
#include <osteon/sdk/call.hpp>
#include <osteon/sdk/parallel.hpp>
#include <osteon/sdk/vector_math.hpp>

#include "base/error.hpp"

namespace osteon::data {
namespace {

// A row of pixels to a row of each plane, normalised. The number of channels is known, so that loops over it become
// shuffles.
template <std::int64_t kChannels>
OSTEON_INLINE void split(const float* pixels, std::int64_t count, const float* scale, const float* shift,
                         std::int64_t plane, float* out) {
  for (std::int64_t c = 0; c < kChannels; ++c) {
    float* row = out + c * plane;
    const float times = scale[c], plus = shift[c];
    OSTEON_VECTOR_LOOP
    for (std::int64_t x = 0; x < count; ++x) row[x] = pixels[x * kChannels + c] * times + plus;
  }
}
OSTEON_MULTIVERSION void split_1(const float* pixels, std::int64_t count, const float* scale, const float* shift,
                                 std::int64_t plane, float* out) {
  split<1>(pixels, count, scale, shift, plane, out);
}
OSTEON_MULTIVERSION void split_3(const float* pixels, std::int64_t count, const float* scale, const float* shift,
                                 std::int64_t plane, float* out) {
  split<3>(pixels, count, scale, shift, plane, out);
}

}  // namespace

cv::Mat root_pixels(const Image& image) {
  if (image.pixels.depth() == CV_32F && image.maximum == 1.0 && image.pixels.isContinuous()) return image.pixels;
  cv::Mat pixels;
  image.pixels.convertTo(pixels, CV_32F, 1.0 / image.maximum);
  return pixels;
}

cv::Mat resize_image(const cv::Mat& pixels, cv::Size size) {
  if (pixels.size() == size) return pixels;
  const bool shrinks = pixels.cols > 2 * size.width || pixels.rows > 2 * size.height;
  cv::Mat resized;
  cv::resize(pixels, resized, size, 0, 0, shrinks ? cv::INTER_AREA : cv::INTER_LINEAR);
  return resized;
}

Image view_of(const Image& file, cv::Size size, const Intensity& intensity) {
  const bool fixed = intensity.kind == Intensity::Kind::kFixed;
  if (fixed && file.size() == size) return file;
  const cv::Mat root = root_pixels(file);
  Image view{resize_image(root, size), 1.0, file.pixels.depth()};
  if (fixed) return view;
  if (view.pixels.data == root.data) view.pixels = root.clone();
  GreyStatistics(root).map(intensity).apply(view.pixels);
  return view;
}

Image in_file_depth(const Image& view) {
  if (view.file_depth < 0) return view;
  Image rounded;
  rounded.maximum = greatest_of(view.file_depth);
  view.pixels.convertTo(rounded.pixels, view.file_depth, rounded.maximum / view.maximum);
  return rounded;
}

cv::Mat with_channels(const cv::Mat& pixels, int channels) {
  if (channels != 1 && channels != 3)
    throw Error(ExitCode::kUsage, "an image becomes 1 or 3 channels, not " + std::to_string(channels));
  if (pixels.channels() == channels) return pixels;
  cv::Mat converted;
  cv::cvtColor(pixels, converted, channels == 3 ? cv::COLOR_GRAY2RGB : cv::COLOR_RGB2GRAY);
  return converted;
}

void write_planes(const osteon_call* call, const cv::Mat& pixels, const ModelScale& model_scale,
                  const std::vector<double>& mean, const std::vector<double>& std, float* out) {
  const auto channels = static_cast<std::size_t>(pixels.channels());
  std::vector<float> scale(channels, 1), shift(channels, 0);
  for (std::size_t i = 0; i < channels; ++i) {
    const double middle = mean.empty() ? 0 : mean[i], deviation = std.empty() ? 1 : std[i];
    scale[i] = static_cast<float>(model_scale.spread / deviation);
    shift[i] = static_cast<float>((model_scale.offset - middle) / deviation);
  }
  const auto function = channels == 1 ? split_1 : split_3;
  const std::int64_t width = pixels.cols, plane = width * pixels.rows;
  sdk::parallel_for(sdk::Call(call), pixels.rows, [&](std::int64_t y, int) {
    function(pixels.ptr<float>(static_cast<int>(y)), width, scale.data(), shift.data(), plane, out + y * width);
  });
}

}  // namespace osteon::data
