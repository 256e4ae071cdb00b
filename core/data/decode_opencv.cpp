// SPDX-License-Identifier: Apache-2.0
#include <iostream>
#include <streambuf>
#include <string>

#include <spdlog/spdlog.h>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "base/error.hpp"
#include "data/decode.hpp"
#include "data/image_file.hpp"

namespace osteon::data {
namespace {

/// Where this thread's share of std::cerr goes instead; null: to std::cerr.
thread_local std::string* diverted = nullptr;

/// std::cerr for every thread but those that have diverted theirs.
class DivertibleErrors final : public std::streambuf {
 public:
  explicit DivertibleErrors(std::streambuf* below) : below_(below) {}

 private:
  int_type overflow(int_type c) override {
    if (diverted == nullptr) return traits_type::eq_int_type(c, traits_type::eof()) ? 0 : below_->sputc(char(c));
    if (!traits_type::eq_int_type(c, traits_type::eof())) diverted->push_back(traits_type::to_char_type(c));
    return traits_type::not_eof(c);
  }
  std::streamsize xsputn(const char* text, std::streamsize count) override {
    if (diverted == nullptr) return below_->sputn(text, count);
    diverted->append(text, static_cast<std::size_t>(count));
    return count;
  }
  int sync() override { return diverted == nullptr ? below_->pubsync() : 0; }

  std::streambuf* below_;
};

/// Holds back what OpenCV writes to std::cerr in this thread: it does not know which file it is about.
class QuietOpenCv {
 public:
  QuietOpenCv() {
    // For ever: other objects' destructors may still write when the process ends.
    static const auto* const installed = [] {
      auto* errors = new DivertibleErrors(std::cerr.rdbuf());
      std::cerr.rdbuf(errors);
      return errors;
    }();
    static_cast<void>(installed);
    diverted = &text_;
  }
  ~QuietOpenCv() { diverted = nullptr; }
  QuietOpenCv(const QuietOpenCv&) = delete;
  QuietOpenCv& operator=(const QuietOpenCv&) = delete;

  const std::string& text() const noexcept { return text_; }

 private:
  std::string text_;
};

bool is_animated_webp(std::string_view bytes) {
  constexpr std::size_t kFlags = 20;
  constexpr char kAnimation = 2;
  return bytes.size() > kFlags && bytes.substr(12, 4) == "VP8X" && (bytes[kFlags] & kAnimation) != 0;
}

std::string reason_of(std::string_view bytes) {
  const ImageFormat format = format_of(bytes);
  if (format == ImageFormat::kWebp && is_animated_webp(bytes)) return "it is an animated WebP, and one picture is read";
  const char* const name = name_of(format);
  if (name != nullptr) return std::string("this ") + name + " file is damaged, or of a variant that is not read";
  return "it is none of the formats that are read: PNG, JPEG, TIFF, BMP, WebP, PNM and JPEG 2000";
}

cv::Mat decode_quietly(std::string_view bytes, const std::filesystem::path& path) {
  const QuietOpenCv quiet;
  cv::Mat pixels;
  std::string reason;
  try {
    const cv::Mat encoded(1, static_cast<int>(bytes.size()), CV_8UC1, const_cast<char*>(bytes.data()));
    // IMREAD_UNCHANGED keeps the depth and leaves the EXIF orientation alone.
    pixels = cv::imdecode(encoded, cv::IMREAD_UNCHANGED);
  } catch (const cv::Exception& error) {
    // OpenCV names the condition that did not hold.
    if (error.err.find("CV_IO_MAX_IMAGE") != std::string::npos) reason = "its header claims more pixels than are read";
  }
  if (!quiet.text().empty()) spdlog::debug("{}: {}", path.string(), quiet.text());
  if (pixels.empty())
    throw Error(ExitCode::kData, "cannot decode the image: " + (reason.empty() ? reason_of(bytes) : reason),
                path.string());
  return pixels;
}

}  // namespace

cv::Mat decode_by_opencv(std::string_view bytes, const std::filesystem::path& path) {
  const cv::Mat pixels = decode_quietly(bytes, path);
  if (pixels.depth() != CV_8U && pixels.depth() != CV_16U)
    throw Error(ExitCode::kData,
                "the image holds " + cv::typeToString(pixels.type()) +
                    ", but 8 or 16 bits of unsigned integers are read; convert it first",
                path.string());
  cv::Mat rgb;
  switch (pixels.channels()) {
    case 1:
      return pixels;
    case 3:
      cv::cvtColor(pixels, rgb, cv::COLOR_BGR2RGB);
      return rgb;
    case 4:
      cv::cvtColor(pixels, rgb, cv::COLOR_BGRA2RGB);
      return rgb;
    default:
      throw Error(ExitCode::kData,
                  "the image has " + std::to_string(pixels.channels()) + " channels; 1, 3 or 4 are read",
                  path.string());
  }
}

void check_image_size(std::int64_t width, std::int64_t height, const std::filesystem::path& path) {
  constexpr std::int64_t kLongestSide = std::int64_t{1} << 20, kMostPixels = std::int64_t{1} << 30;
  if (width <= kLongestSide && height <= kLongestSide && width * height <= kMostPixels) return;
  throw Error(ExitCode::kData,
              "the image is " + std::to_string(width) + " x " + std::to_string(height) + " pixels; up to " +
                  std::to_string(kLongestSide) + " a side and " + std::to_string(kMostPixels) + " in all are read",
              path.string());
}

}  // namespace osteon::data
