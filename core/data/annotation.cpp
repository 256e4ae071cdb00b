// SPDX-License-Identifier: Apache-2.0
#include "data/annotation.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include <opencv2/imgproc.hpp>

#include "base/error.hpp"
#include "base/json.hpp"
#include "base/suggest.hpp"
#include "data/image_file.hpp"
#include "data/label_ops.hpp"

namespace osteon::data {
namespace {

using Json = nlohmann::json;

/// One file while it is read: knows what to say about where something is wrong.
class Parser {
 public:
  Parser(const std::filesystem::path& path, const std::vector<std::string>& classes, cv::Size size)
      : path_(path), classes_(classes), size_(size), named_(classes.size(), 0) {}

  Annotation parse(const std::string& text, bool complete) {
    const Json root = parse_json(text, path_.string());
    const Json& annotations = member(root, "", "annotations");
    if (!annotations.is_array()) fail("/annotations", "must be a list, and is " + found(annotations));
    std::vector<Polygon> polygons;
    for (std::size_t i = 0; i < annotations.size(); ++i)
      read_entry(annotations[i], "/annotations/" + std::to_string(i), polygons);
    if (complete) check_complete();
    return {std::move(polygons), named_, others_};
  }

 private:
  [[noreturn]] void fail(const std::string& pointer, const std::string& what) const {
    throw Error(ExitCode::kData, (pointer.empty() ? "the annotation" : pointer) + ' ' + what, path_.string());
  }

  static std::string found(const Json& value) {
    std::string text = json_text(value);
    constexpr std::size_t kShown = 40;
    if (text.size() > kShown) text = text.substr(0, kShown) + "...";
    return text;
  }

  const Json& member(const Json& object, const std::string& pointer, const char* key) const {
    if (!object.is_object()) fail(pointer, "must be an object, and is " + found(object));
    const auto position = object.find(key);
    if (position == object.end()) fail(pointer, std::string("has no \"") + key + '"');
    return *position;
  }

  std::string text_member(const Json& object, const std::string& pointer, const char* key) const {
    const Json& value = member(object, pointer, key);
    if (!value.is_string()) fail(pointer + '/' + key, "must be a text, and is " + found(value));
    return value.get<std::string>();
  }

  void read_entry(const Json& entry, const std::string& pointer, std::vector<Polygon>& polygons) {
    const std::string label = text_member(entry, pointer, "label");
    const auto position = std::find(classes_.begin(), classes_.end(), label);
    if (position == classes_.end()) {
      if (std::find(others_.begin(), others_.end(), label) == others_.end()) others_.push_back(label);
      return;
    }
    const auto c = static_cast<std::size_t>(position - classes_.begin());
    named_[c] = 1;
    const std::string type = text_member(entry, pointer, "type");
    if (type == "empty") return;
    if (type != "poly_seg") fail(pointer + "/type", "is '" + type + "'; \"poly_seg\" and \"empty\" are known");
    polygons.push_back({static_cast<int>(c), read_points(member(entry, pointer, "points"), pointer + "/points")});
  }

  std::vector<cv::Point> read_points(const Json& points, const std::string& pointer) const {
    if (!points.is_array()) fail(pointer, "must be a list of [x, y], and is " + found(points));
    if (points.size() < 3) fail(pointer, "has " + std::to_string(points.size()) + " points; a polygon has 3 or more");
    std::vector<cv::Point> result;
    result.reserve(points.size());
    for (std::size_t i = 0; i < points.size(); ++i) {
      const Json& point = points[i];
      if (!point.is_array() || point.size() != 2 || !point[0].is_number() || !point[1].is_number())
        fail(pointer + '/' + std::to_string(i), "must be [x, y] in numbers, and is " + found(point));
      const double x = std::round(point[0].get<double>());
      const double y = std::round(point[1].get<double>());
      if (!(x >= 0 && x <= size_.width && y >= 0 && y <= size_.height))
        fail(pointer + '/' + std::to_string(i), "is " + found(point) + ", outside the image of " +
                                                    std::to_string(size_.width) + " x " + std::to_string(size_.height));
      result.emplace_back(static_cast<int>(x), static_cast<int>(y));
    }
    return result;
  }

  std::string meant(const std::string& name) const {
    const std::string other = nearest(name, others_);
    return other.empty() ? "" : " (and one for '" + other + "', which is no class of the recipe)";
  }

  void check_complete() const {
    std::string missing;
    for (std::size_t c = 0; c < classes_.size(); ++c)
      if (named_[c] == 0) missing += (missing.empty() ? "'" : ", '") + classes_[c] + '\'' + meant(classes_[c]);
    if (!missing.empty())
      fail(
          "/annotations",
          "has no entry for " + missing +
              "; an entry of type \"empty\" says that a class is not there, and data.absent = \"empty\" or \"unknown\" "
              "what a missing entry means");
  }

  const std::filesystem::path& path_;
  const std::vector<std::string>& classes_;
  cv::Size size_;
  std::vector<std::uint8_t> named_;
  std::vector<std::string> others_;
};

}  // namespace

Annotation read_annotation(const std::filesystem::path& path, const std::vector<std::string>& classes, cv::Size size,
                           bool complete) {
  return parse_annotation(read_regular_file(path), path, classes, size, complete);
}

Annotation parse_annotation(const std::string& text, const std::filesystem::path& path,
                            const std::vector<std::string>& classes, cv::Size size, bool complete) {
  return Parser(path, classes, size).parse(text, complete);
}

Labels rasterize(const std::vector<Polygon>& polygons, int classes, cv::Size size) {
  Labels labels(classes, size);
  for (const Polygon& polygon : polygons) {
    // A bone is a small part of the image: drawing on its box alone is thirty times faster for the hand.
    const cv::Rect box = cv::boundingRect(polygon.points) & cv::Rect({0, 0}, size);
    if (box.empty()) continue;
    cv::Mat mask = cv::Mat::zeros(box.size(), CV_8UC1);
    cv::fillPoly(mask, std::vector<std::vector<cv::Point>>{polygon.points}, cv::Scalar(255), cv::LINE_8, 0, -box.tl());
    add_region(labels, polygon.class_index, mask, box.tl());
  }
  return labels;
}

}  // namespace osteon::data
