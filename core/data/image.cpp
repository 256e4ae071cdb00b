// SPDX-License-Identifier: Apache-2.0
#include "data/image.hpp"

#include <string>

#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "base/error.hpp"
#include "data/image_file.hpp"

namespace osteon::data {
namespace {

cv::Mat decode(const std::string& bytes, const std::filesystem::path& path) {
  std::string reason = "it is damaged, or its format is not known (PNG, JPEG and TIFF are)";
  try {
    const cv::Mat encoded(1, static_cast<int>(bytes.size()), CV_8UC1, const_cast<char*>(bytes.data()));
    // IMREAD_UNCHANGED keeps the depth and leaves the EXIF orientation alone.
    cv::Mat pixels = cv::imdecode(encoded, cv::IMREAD_UNCHANGED);
    if (!pixels.empty()) return pixels;
  } catch (const cv::Exception& error) {
    reason = error.err;
  }
  throw Error(ExitCode::kData, "cannot decode the image: " + reason, path.string());
}

}  // namespace

Image read_image(const std::filesystem::path& path) {
  const std::string bytes = read_regular_file(path);
  check_whole_file(bytes, path);
  cv::Mat pixels = decode(bytes, path);
  if (pixels.depth() != CV_8U && pixels.depth() != CV_16U)
    throw Error(ExitCode::kData,
                "the image holds " + cv::typeToString(pixels.type()) +
                    ", but 8 or 16 bits of unsigned integers are read; convert it first",
                path.string());
  Image image;
  image.maximum = pixels.depth() == CV_8U ? 255.0 : 65535.0;
  switch (pixels.channels()) {
    case 1:
      image.pixels = pixels;
      break;
    case 3:
      cv::cvtColor(pixels, image.pixels, cv::COLOR_BGR2RGB);
      break;
    case 4:
      cv::cvtColor(pixels, image.pixels, cv::COLOR_BGRA2RGB);
      break;
    default:
      throw Error(ExitCode::kData,
                  "the image has " + std::to_string(pixels.channels()) + " channels; 1, 3 or 4 are read",
                  path.string());
  }
  return image;
}

cv::Size read_image_size(const std::filesystem::path& path) {
  const std::string bytes = read_regular_file(path);
  check_whole_file(bytes, path);
  if (const auto size = size_from_header(bytes)) return *size;
  return decode(bytes, path).size();
}

cv::Mat to_float(const Image& image, int channels) {
  if (channels != 1 && channels != 3)
    throw Error(ExitCode::kUsage, "an image becomes 1 or 3 channels, not " + std::to_string(channels));
  cv::Mat result;
  image.pixels.convertTo(result, CV_32F, 1.0 / image.maximum);
  if (result.channels() == channels) return result;
  cv::Mat converted;
  cv::cvtColor(result, converted, channels == 1 ? cv::COLOR_RGB2GRAY : cv::COLOR_GRAY2RGB);
  return converted;
}

}  // namespace osteon::data
