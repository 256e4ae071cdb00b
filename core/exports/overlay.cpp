// SPDX-License-Identifier: Apache-2.0
#include "exports/overlay.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include <opencv2/imgproc.hpp>

#include "base/error.hpp"
#include "data/label_ops.hpp"
#include "exports/display.hpp"
#include "exports/legend.hpp"
#include "exports/palette.hpp"

namespace osteon::exports {
namespace {

/// CV_8UC3 as a screen shows it.
cv::Mat to_display(const data::Image& image) {
  const cv::Mat bytes = to_bytes(image.pixels, window_of(image));
  cv::Mat picture;
  if (bytes.channels() == 1)
    cv::cvtColor(bytes, picture, cv::COLOR_GRAY2RGB);
  else
    picture = bytes.clone();
  return picture;
}

/// The size of the picture for an image of `size`.
cv::Size display_size(cv::Size size, const OverlayOptions& options) {
  const int longest = std::max(size.width, size.height);
  double factor = std::max(1, cvCeil(double(options.least_height) / size.height));
  if (factor * longest > options.greatest_side)
    factor = std::max(1.0, std::floor(double(options.greatest_side) / longest));
  if (longest > options.greatest_side) factor = double(options.greatest_side) / longest;
  return {std::max(1, cvRound(size.width * factor)), std::max(1, cvRound(size.height * factor))};
}

/// A class on the picture: its mask within its box.
struct Region {
  int class_index;
  cv::Rect box;
  cv::Mat mask;
};

/// The masks at the picture's size. Their steps are rounded off when enlarged: an outline should show where the bone
/// ends, not how the pixels lie.
std::vector<Region> find_regions(const data::Labels& labels, cv::Size size) {
  std::vector<Region> regions;
  const std::vector<std::int64_t> areas = labels.areas();
  for (int c = 0; c < labels.classes(); ++c) {
    if (areas[static_cast<std::size_t>(c)] == 0) continue;
    cv::Mat mask = labels.mask(c);
    if (mask.size() != size) {
      cv::Mat resized;
      cv::resize(mask, resized, size, 0, 0, size.width > mask.cols ? cv::INTER_LINEAR : cv::INTER_AREA);
      mask = resized > 127;
    }
    const cv::Rect box = cv::boundingRect(mask);
    if (!box.empty()) regions.push_back({c, box, mask(box).clone()});
  }
  return regions;
}

void fill(cv::Mat& picture, const Region& region, cv::Vec3b color, double opacity) {
  std::array<std::array<std::uint8_t, 256>, 3> table;
  for (std::size_t k = 0; k < 3; ++k)
    for (int v = 0; v < 256; ++v)
      table[k][static_cast<std::size_t>(v)] =
          cv::saturate_cast<std::uint8_t>((1.0 - opacity) * v + opacity * color[static_cast<int>(k)]);
  cv::Mat part = picture(region.box);
  for (int y = 0; y < part.rows; ++y) {
    const std::uint8_t* mask = region.mask.ptr<std::uint8_t>(y);
    auto* row = part.ptr<cv::Vec3b>(y);
    for (int x = 0; x < part.cols; ++x)
      if (mask[x] != 0) row[x] = {table[0][row[x][0]], table[1][row[x][1]], table[2][row[x][2]]};
  }
}

void outline(cv::Mat& picture, const Region& region, cv::Vec3b color, int thickness) {
  std::vector<std::vector<cv::Point>> contours;
  // The border of one pixel lets contours close at the box's edge.
  cv::Mat framed;
  cv::copyMakeBorder(region.mask, framed, 1, 1, 1, 1, cv::BORDER_CONSTANT, cv::Scalar(0));
  cv::findContours(framed, contours, cv::RETR_CCOMP, cv::CHAIN_APPROX_NONE, region.box.tl() - cv::Point(1, 1));
  cv::drawContours(picture, contours, -1, cv::Scalar(color[0], color[1], color[2]), thickness, cv::LINE_AA);
}

/// The point of a mask that is deepest inside, and how deep, in pixels.
cv::Point deepest_point(const cv::Mat& mask, double& depth) {
  cv::Mat framed, distance;
  cv::copyMakeBorder(mask, framed, 1, 1, 1, 1, cv::BORDER_CONSTANT, cv::Scalar(0));
  cv::distanceTransform(framed, distance, cv::DIST_L2, cv::DIST_MASK_3);
  cv::Point at;
  cv::minMaxLoc(distance, nullptr, &depth, nullptr, &at);
  return at - cv::Point(1, 1);
}

/// How many classes cover each pixel, up to 255.
cv::Mat coverage_of(const std::vector<Region>& regions, cv::Size size) {
  cv::Mat coverage = cv::Mat::zeros(size, CV_8UC1);
  for (const Region& region : regions) {
    cv::Mat part = coverage(region.box);
    cv::add(part, cv::Scalar(1), part, region.mask);
  }
  return coverage;
}

/// Puts each number where it belongs to its class alone if there is room, so that overlapping bones keep theirs apart.
void number_regions(cv::Mat& picture, const std::vector<Region>& regions) {
  const double height = std::max(8.0, std::min(picture.rows, picture.cols) / 95.0);
  const cv::Mat coverage = coverage_of(regions, picture.size());
  for (const Region& region : regions) {
    double depth = 0.0;
    cv::Point at = deepest_point(region.mask & (coverage(region.box) == 1), depth);
    if (depth < height / 4) at = deepest_point(region.mask, depth);
    draw_centered(picture, std::to_string(region.class_index + 1), at + region.box.tl(), height, {255, 255, 255});
  }
}

cv::Mat legend_of(const std::vector<Region>& regions, const std::vector<std::string>& names,
                  const std::vector<cv::Vec3b>& colors, int height) {
  std::vector<LegendEntry> entries;
  for (std::size_t c = 0; c < names.size(); ++c)
    entries.push_back({static_cast<int>(c + 1), to_ascii(names[c]), colors[c], false});
  for (const Region& region : regions) entries[static_cast<std::size_t>(region.class_index)].present = true;
  return render_legend(entries, height);
}

}  // namespace

cv::Mat render_overlay(const data::Image& image, const data::Labels& labels,
                       const std::vector<std::string>& class_names, const OverlayOptions& options) {
  if (image.size() != labels.size() || class_names.size() != static_cast<std::size_t>(labels.classes()))
    throw Error(ExitCode::kData, "an overlay needs labels of the image's size and a name for each of their classes");
  const cv::Size size = display_size(image.size(), options);
  cv::Mat picture = to_display(image);
  if (picture.size() != size) {
    cv::Mat resized;
    cv::resize(picture, resized, size, 0, 0, size.width > picture.cols ? cv::INTER_CUBIC : cv::INTER_AREA);
    picture = resized;
  }

  const std::vector<cv::Vec3b> colors = class_colors(labels.classes());
  const std::vector<Region> regions = find_regions(labels, size);
  const int thickness = std::max(1, cvRound(std::min(size.width, size.height) / 550.0));
  const auto color_of = [&](const Region& region) { return colors[static_cast<std::size_t>(region.class_index)]; };
  for (const Region& region : regions) fill(picture, region, color_of(region), options.opacity);
  for (const Region& region : regions) outline(picture, region, color_of(region), thickness);
  if (!options.legend) return picture;

  number_regions(picture, regions);
  // A wide, low image gets a strip of background below, so that the legend keeps a height that can be read.
  const int height = std::max(picture.rows, 200);
  if (height > picture.rows)
    cv::copyMakeBorder(picture, picture, 0, height - picture.rows, 0, 0, cv::BORDER_CONSTANT, cv::Scalar(22, 24, 28));
  cv::Mat result;
  cv::hconcat(picture, legend_of(regions, class_names, colors, height), result);
  return result;
}

}  // namespace osteon::exports
