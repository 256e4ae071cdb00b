// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>

#include <tiffio.h>
#include <opencv2/imgproc.hpp>

#include "base/error.hpp"
#include "data/decode.hpp"

namespace osteon::data {
namespace {

/// A file in memory, and what libtiff has said of it.
struct TiffSource {
  std::string_view bytes;
  std::size_t at = 0;
  std::string failure;     ///< the first error
  std::string jpeg_doubt;  ///< the first warning of the JPEG codec, which carries on with damaged data
};

TiffSource& source_of(thandle_t handle) { return *static_cast<TiffSource*>(handle); }

tmsize_t read_tiff(thandle_t handle, void* to, tmsize_t count) {
  TiffSource& source = source_of(handle);
  const std::size_t left = source.bytes.size() - std::min(source.at, source.bytes.size());
  const std::size_t n = std::min(left, static_cast<std::size_t>(count));
  if (n > 0) std::memcpy(to, source.bytes.data() + source.at, n);
  source.at += n;
  return static_cast<tmsize_t>(n);
}

tmsize_t write_tiff(thandle_t, void*, tmsize_t) { return 0; }

toff_t seek_tiff(thandle_t handle, toff_t offset, int whence) {
  TiffSource& source = source_of(handle);
  const toff_t from = whence == SEEK_CUR ? source.at : whence == SEEK_END ? source.bytes.size() : 0;
  source.at = static_cast<std::size_t>(from + offset);
  return source.at;
}

int close_tiff(thandle_t) { return 0; }

toff_t size_of_tiff(thandle_t handle) { return source_of(handle).bytes.size(); }

std::string tiff_text(const char* format, va_list arguments) {
  char text[512];
  std::vsnprintf(text, sizeof text, format, arguments);
  return text;
}

int on_tiff_error(TIFF*, void* data, const char*, const char* format, va_list arguments) {
  TiffSource& source = *static_cast<TiffSource*>(data);
  if (source.failure.empty()) source.failure = tiff_text(format, arguments);
  return 1;
}

// Others concern tags, none of which is used.
int on_tiff_warning(TIFF*, void* data, const char* module, const char* format, va_list arguments) {
  TiffSource& source = *static_cast<TiffSource*>(data);
  if (module != nullptr && std::strcmp(module, "JPEGLib") == 0 && source.jpeg_doubt.empty())
    source.jpeg_doubt = tiff_text(format, arguments);
  return 1;
}

struct CloseTiff {
  void operator()(TIFF* tiff) const noexcept { TIFFClose(tiff); }
};
using TiffHandle = std::unique_ptr<TIFF, CloseTiff>;

TiffHandle open_tiff(TiffSource& source) {
  struct Free {
    void operator()(TIFFOpenOptions* options) const noexcept { TIFFOpenOptionsFree(options); }
  };
  const std::unique_ptr<TIFFOpenOptions, Free> options(TIFFOpenOptionsAlloc());
  // No strip, tile or table of a picture that is read takes more; a damaged file may claim any size.
  TIFFOpenOptionsSetMaxSingleMemAlloc(options.get(), tmsize_t{1} << 33);
  TIFFOpenOptionsSetErrorHandlerExtR(options.get(), on_tiff_error, &source);
  TIFFOpenOptionsSetWarningHandlerExtR(options.get(), on_tiff_warning, &source);
  return TiffHandle(TIFFClientOpenExt("", "rm", &source, read_tiff, write_tiff, seek_tiff, close_tiff, size_of_tiff,
                                      nullptr, nullptr, options.get()));
}

/// The tags that say what the samples are.
struct TiffTags {
  std::uint32_t width = 0, height = 0;
  std::uint16_t bits = 1, samples = 1, format = SAMPLEFORMAT_UINT, photometric = 0, planes = PLANARCONFIG_CONTIG;
  std::uint16_t extra_count = 0, first_extra = EXTRASAMPLE_UNSPECIFIED;

  int colors() const { return photometric == PHOTOMETRIC_RGB ? 3 : 1; }
  bool is_grey() const { return photometric == PHOTOMETRIC_MINISBLACK || photometric == PHOTOMETRIC_MINISWHITE; }
  /// Whether the samples are the pixels' values as they stand (or inverted).
  bool is_plain() const { return (bits == 8 || bits == 16) && (is_grey() || photometric == PHOTOMETRIC_RGB); }
};

TiffTags tags_of(TIFF* tiff) {
  TiffTags tags;
  const std::uint16_t* extras = nullptr;
  TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &tags.width);
  TIFFGetField(tiff, TIFFTAG_IMAGELENGTH, &tags.height);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_BITSPERSAMPLE, &tags.bits);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLESPERPIXEL, &tags.samples);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLEFORMAT, &tags.format);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_PLANARCONFIG, &tags.planes);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_EXTRASAMPLES, &tags.extra_count, &extras);
  if (tags.extra_count > 0 && extras != nullptr) tags.first_extra = extras[0];
  // Required by the specification, and left out by some writers.
  if (TIFFGetField(tiff, TIFFTAG_PHOTOMETRIC, &tags.photometric) == 0)
    tags.photometric = tags.samples - tags.extra_count >= 3 ? PHOTOMETRIC_RGB : PHOTOMETRIC_MINISBLACK;
  return tags;
}

/// Pages that are pictures of their own; smaller copies and masks of the first are not. Leaves the first one open.
int count_pages(TIFF* tiff) {
  int pages = 0;
  do {
    std::uint32_t type = 0;
    TIFFGetFieldDefaulted(tiff, TIFFTAG_SUBFILETYPE, &type);
    if ((type & (FILETYPE_REDUCEDIMAGE | FILETYPE_MASK)) == 0) ++pages;
  } while (TIFFReadDirectory(tiff) != 0);
  TIFFSetDirectory(tiff, 0);
  return pages;
}

/// What there is of a file that is not read; empty: it is.
std::string refused(const TiffTags& tags, int pages) {
  if (pages > 1) return "it holds " + std::to_string(pages) + " pages, and one picture is read";
  if (tags.format == SAMPLEFORMAT_IEEEFP) return "its samples are floating-point numbers";
  if (tags.format == SAMPLEFORMAT_INT) return "its samples are signed integers";
  if (tags.format != SAMPLEFORMAT_UINT && tags.format != SAMPLEFORMAT_VOID) return "its samples are complex numbers";
  if (tags.bits > 8 && tags.bits != 16) return "its samples have " + std::to_string(tags.bits) + " bits";
  if (tags.bits == 16 && !tags.is_plain())
    return "its samples have 16 bits and are neither grey nor RGB (PhotometricInterpretation " +
           std::to_string(tags.photometric) + ")";
  if (!tags.is_plain()) return {};
  const int extras = tags.samples - tags.colors();
  const bool alpha = tags.extra_count == 1 && tags.first_extra != EXTRASAMPLE_UNSPECIFIED;
  if (extras < 0 || extras > 1 || (extras == 1 && tags.is_grey() && !alpha))
    return "it has " + std::to_string(tags.samples) + " samples a pixel, which PhotometricInterpretation " +
           std::to_string(tags.photometric) + " does not tell the meaning of";
  return {};
}

/// Copies rectangles of decoded samples to where they belong.
template <typename Sample>
class PlainTiff {
 public:
  PlainTiff(TIFF* tiff, const TiffTags& tags, cv::Mat& pixels) : tiff_(tiff), tags_(tags), pixels_(pixels) {}

  /// False where something cannot be read.
  bool read() {
    const int planes = tags_.planes == PLANARCONFIG_SEPARATE ? tags_.colors() : 1;
    for (int plane = 0; plane < planes; ++plane)
      if (!(TIFFIsTiled(tiff_) ? read_tiles(plane) : read_strips(plane))) return false;
    return true;
  }

 private:
  /// Not initialised: pages that a damaged file claims and does not fill are never touched.
  struct SampleBuffer {
    explicit SampleBuffer(tmsize_t size)
        : bytes(size), data(new Sample[static_cast<std::size_t>(size) / sizeof(Sample)]) {}
    bool holds(tmsize_t size) const { return size > 0 && size <= bytes; }

    tmsize_t bytes;
    std::unique_ptr<Sample[]> data;
  };

  /// Whether an uncompressed strip or tile is as long as it has to be; libtiff would go on into what lies behind it.
  bool holds(std::uint32_t strip_or_tile, tmsize_t size) const {
    std::uint16_t compression = COMPRESSION_NONE;
    TIFFGetFieldDefaulted(tiff_, TIFFTAG_COMPRESSION, &compression);
    return compression != COMPRESSION_NONE ||
           TIFFGetStrileByteCount(tiff_, strip_or_tile) >= static_cast<std::uint64_t>(size);
  }

  bool is_separate() const { return tags_.planes == PLANARCONFIG_SEPARATE; }

  bool read_strips(int plane) {
    std::uint32_t rows = 0;
    TIFFGetFieldDefaulted(tiff_, TIFFTAG_ROWSPERSTRIP, &rows);
    rows = std::min(rows, tags_.height);
    if (rows == 0) return false;
    const SampleBuffer samples(TIFFStripSize(tiff_));
    for (std::uint32_t y = 0; y < tags_.height; y += rows) {
      const std::uint32_t here = std::min(rows, tags_.height - y);
      const tmsize_t size = TIFFVStripSize(tiff_, here);
      const std::uint32_t strip = TIFFComputeStrip(tiff_, y, static_cast<std::uint16_t>(plane));
      if (!holds(strip, size) || !samples.holds(size) ||
          TIFFReadEncodedStrip(tiff_, strip, samples.data.get(), size) != size)
        return false;
      put(samples, {0, static_cast<int>(y), pixels_.cols, static_cast<int>(here)}, tags_.width, plane);
    }
    return true;
  }

  bool read_tiles(int plane) {
    std::uint32_t width = 0, height = 0;
    TIFFGetField(tiff_, TIFFTAG_TILEWIDTH, &width);
    TIFFGetField(tiff_, TIFFTAG_TILELENGTH, &height);
    const tmsize_t size = TIFFTileSize(tiff_);
    // Tiles may be larger than a small picture, but not by far: this one's size is damaged.
    constexpr std::size_t kLargestBesides = std::size_t{64} << 20;
    if (width == 0 || height == 0 || size <= 0) return false;
    if (static_cast<std::size_t>(size) > kLargestBesides + 4 * pixels_.total() * pixels_.elemSize()) return false;
    const SampleBuffer samples(size);
    for (std::uint32_t y = 0; y < tags_.height; y += height)
      for (std::uint32_t x = 0; x < tags_.width; x += width) {
        const std::uint32_t tile = TIFFComputeTile(tiff_, x, y, 0, static_cast<std::uint16_t>(plane));
        if (!holds(tile, size) || !samples.holds(size) ||
            TIFFReadEncodedTile(tiff_, tile, samples.data.get(), size) != size)
          return false;
        const cv::Rect place(static_cast<int>(x), static_cast<int>(y),
                             static_cast<int>(std::min(width, tags_.width - x)),
                             static_cast<int>(std::min(height, tags_.height - y)));
        put(samples, place, width, plane);
      }
    return true;
  }

  /// `samples`: rows of `stride` pixels.
  void put(const SampleBuffer& samples, cv::Rect place, std::uint32_t stride, int plane) {
    const int colors = pixels_.channels(), step = is_separate() ? 1 : tags_.samples;
    const Sample flip = tags_.photometric == PHOTOMETRIC_MINISWHITE ? static_cast<Sample>(~Sample{0}) : Sample{0};
    for (int y = 0; y < place.height; ++y) {
      const Sample* from = samples.data.get() + static_cast<std::size_t>(y) * stride * static_cast<std::size_t>(step);
      Sample* to = pixels_.ptr<Sample>(place.y + y) + place.x * colors;
      for (int x = 0; x < place.width; ++x, from += step, to += colors)
        if (is_separate())
          to[plane] = static_cast<Sample>(from[0] ^ flip);
        else
          for (int c = 0; c < colors; ++c) to[c] = static_cast<Sample>(from[c] ^ flip);
    }
  }

  TIFF* tiff_;
  const TiffTags& tags_;
  cv::Mat& pixels_;
};

/// Through libtiff's own conversion to RGB, which would apply the orientation if there were one.
bool read_converted(TIFF* tiff, const TiffTags& tags, cv::Mat& pixels, std::string& failure) {
  char reason[1024] = {};
  if (TIFFRGBAImageOK(tiff, reason) == 0) {
    failure = reason;
    return false;
  }
  TIFFSetField(tiff, TIFFTAG_ORIENTATION, ORIENTATION_TOPLEFT);
  cv::Mat packed(pixels.size(), CV_8UC4);  // R, G, B, A from the lowest byte
  if (TIFFReadRGBAImageOriented(tiff, tags.width, tags.height, packed.ptr<std::uint32_t>(), ORIENTATION_TOPLEFT, 1) ==
      0)
    return false;
  if (pixels.channels() == 1)
    cv::extractChannel(packed, pixels, 0);
  else
    cv::cvtColor(packed, pixels, cv::COLOR_RGBA2RGB);
  return true;
}

TiffHandle open_checked(TiffSource& source, const std::filesystem::path& path, TiffTags& tags) {
  TiffHandle tiff = open_tiff(source);
  if (!tiff) throw Error(ExitCode::kData, "cannot decode the TIFF: " + source.failure, path.string());
  tags = tags_of(tiff.get());
  if (tags.width == 0 || tags.height == 0)
    throw Error(ExitCode::kData, "cannot decode the TIFF: it does not say its size", path.string());
  check_image_size(tags.width, tags.height, path);
  return tiff;
}

}  // namespace

cv::Mat decode_tiff(std::string_view bytes, const std::filesystem::path& path) {
  TiffSource source{bytes, 0, {}, {}};
  TiffTags tags;
  const TiffHandle tiff = open_checked(source, path, tags);
  if (const std::string what = refused(tags, count_pages(tiff.get())); !what.empty())
    throw Error(ExitCode::kData,
                "the TIFF is not read: " + what + "; grey or RGB of 8 or 16 bits, unsigned, is; convert it first",
                path.string());
  source.failure.clear();  // of further pages
  const int colors = tags.is_grey() ? 1 : 3;
  cv::Mat pixels(static_cast<int>(tags.height), static_cast<int>(tags.width),
                 CV_MAKETYPE(tags.bits == 16 ? CV_16U : CV_8U, colors));
  std::string reason;
  const bool read = !tags.is_plain()  ? read_converted(tiff.get(), tags, pixels, reason)
                    : tags.bits == 16 ? PlainTiff<std::uint16_t>(tiff.get(), tags, pixels).read()
                                      : PlainTiff<std::uint8_t>(tiff.get(), tags, pixels).read();
  if (reason.empty()) reason = source.failure.empty() ? "its data are fewer than its size asks for" : source.failure;
  if (!read) throw Error(ExitCode::kData, "cannot decode the TIFF: " + reason, path.string());
  if (!source.failure.empty() || !source.jpeg_doubt.empty())
    throw Error(ExitCode::kData,
                "the TIFF file is damaged: " + (source.failure.empty() ? source.jpeg_doubt : source.failure),
                path.string());
  return pixels;
}

cv::Size tiff_size(std::string_view bytes, const std::filesystem::path& path) {
  TiffSource source{bytes, 0, {}, {}};
  TiffTags tags;
  const TiffHandle tiff = open_checked(source, path, tags);
  return {static_cast<int>(tags.width), static_cast<int>(tags.height)};
}

}  // namespace osteon::data
