// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <opencv2/core.hpp>

#include "data/labels.hpp"

// The competition's annotations: a JSON file per image with one polygon per bone.
namespace osteon::data {

/// A closed outline of a class, in pixels of the image.
struct Polygon {
  int class_index = 0;
  std::vector<cv::Point> points;
};

/// What an annotation says of an image.
struct Annotation {
  std::vector<Polygon> polygons;
  std::vector<std::uint8_t> named;  ///< for each class whether there is an entry for it
  std::vector<std::string> others;  ///< labels that are none of the classes; their entries are left out
};

/// Reads the annotation of one image.
///
/// `annotations[]` needs `label`, and where it is one of `classes` `type` "poly_seg" and `points` [[x, y], ...], three
/// or more, finite; fractions are rounded. A class may have several polygons: their union is its label. An entry of
/// `type` "empty" (no points) says that the class was looked for and is not in the image. All else in the file is
/// ignored, on purpose: its `metadata` gives another image size and its `filename` another extension than the image
/// has.
///
/// @param classes  their order in the file does not matter
/// @param complete whether every one of them must appear
/// @param size     of the image. Points may lie on its far edges (x == width), where drawing clips them, not beyond.
///
/// Throws Error(kData) with the path (and byte offset if it is no JSON) and, in the message, the JSON pointer of what
/// is wrong.
Annotation read_annotation(const std::filesystem::path& path, const std::vector<std::string>& classes, cv::Size size,
                           bool complete = true);
/// The same from the file's text; `path` is only for messages.
Annotation parse_annotation(const std::string& text, const std::filesystem::path& path,
                            const std::vector<std::string>& classes, cv::Size size, bool complete = true);

/// Fills each polygon as cv::fillPoly does, outline included, into its class.
Labels rasterize(const std::vector<Polygon>& polygons, int classes, cv::Size size);

}  // namespace osteon::data
