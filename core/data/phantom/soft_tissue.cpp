// SPDX-License-Identifier: Apache-2.0
#include "data/phantom/soft_tissue.hpp"

#include <algorithm>
#include <cmath>

#include <opencv2/imgproc.hpp>

#include "data/phantom/random.hpp"
#include "data/phantom/texture.hpp"

namespace osteon::data::phantom {
namespace {

constexpr float kSoft = 0.0021f;        ///< attenuation per atlas unit (0.12 mm)
constexpr double kPalmThickness = 225;  ///< along the beam, atlas units
constexpr double kPalmRim = 105;        ///< distance from the skin at which the palm is at its thickest

/// The grid that soft tissue is drawn on: it is smooth, so it need not follow large images.
struct Grid {
  int size;
  double unit;   ///< grid pixels per atlas unit
  double scale;  ///< grid pixels per image pixel
  cv::Point2d from_image(cv::Point2d p) const { return (p + cv::Point2d(0.5, 0.5)) * scale - cv::Point2d(0.5, 0.5); }
};

Grid grid_for(const Skeleton& skeleton, int size) {
  const int grid = std::min(size, 1024);
  const double scale = static_cast<double>(grid) / size;
  return {grid, skeleton.unit * scale, scale};
}

void stroke(cv::Mat& mask, cv::Point2d a, cv::Point2d b, double radius) {
  constexpr int kShift = 4;  // sub-pixel bits
  auto fixed = [](cv::Point2d p) { return cv::Point(cvRound(p.x * (1 << kShift)), cvRound(p.y * (1 << kShift))); };
  cv::line(mask, fixed(a), fixed(b), cv::Scalar(255), std::max(1, cvRound(2 * radius)), cv::LINE_8, kShift);
}

constexpr double kRounding = 32;  ///< deviation of the blur that rounds the palm's outline, atlas units

/// Palm, webs, thumb's ball and forearm as one shape, drawn coarsely and rounded by blurring: the outline is where the
/// result (CV_8UC1) crosses 127.5.
cv::Mat palm_shape(const Skeleton& skeleton, const Patient& person, const Grid& grid) {
  const int coarse = std::max(grid.size / 4, 64);
  const double k = static_cast<double>(coarse) / grid.size, u = grid.unit * k;
  auto at = [&](cv::Point2d p) { return grid.from_image(p) * k; };
  const double girth = 0.8 + 0.2 * person.flesh;
  cv::Mat mask(coarse, coarse, CV_8UC1, cv::Scalar(0));

  std::vector<cv::Point> knuckles;
  for (int ray = 1; ray < kRays; ++ray) {
    const auto& line = skeleton.rays[static_cast<std::size_t>(ray)];
    stroke(mask, at(line[0]), at(line[1]), 88 * u * girth);
    knuckles.push_back(at(line[0]));
    knuckles.push_back(at(line[1] + (line[2] - line[1]) * 0.15));
  }
  std::vector<cv::Point> hull;
  cv::convexHull(knuckles, hull);
  cv::fillConvexPoly(mask, hull, cv::Scalar(255));

  // Webs reach beyond the knuckles and sag between two fingers.
  for (std::size_t ray = 1; ray + 1 < kRays; ++ray) {
    const auto &one = skeleton.rays[ray], &other = skeleton.rays[ray + 1];
    auto along = [](const std::vector<cv::Point2d>& line, double t) { return line[1] + (line[2] - line[1]) * t; };
    const std::vector<cv::Point> web = {at(one[1]), at(along(one, 0.50)),
                                        at((along(one, 0.34) + along(other, 0.34)) * 0.5), at(along(other, 0.50)),
                                        at(other[1])};
    cv::fillPoly(mask, std::vector<std::vector<cv::Point>>{web}, cv::Scalar(255));
  }

  const auto &thumb = skeleton.rays[0], &index = skeleton.rays[1];
  stroke(mask, at(thumb[0]), at(thumb[1]), 96 * u * girth);
  const std::vector<cv::Point> web = {at(thumb[0]), at(thumb[1]),
                                      at((index[0] + index[1]) * 0.5 * 0.7 + index[1] * 0.3), at(index[0])};
  cv::fillPoly(mask, std::vector<std::vector<cv::Point>>{web}, cv::Scalar(255));
  stroke(mask, at(skeleton.forearm[0]), at(skeleton.forearm[1]), 205 * u * girth);
  stroke(mask, at(skeleton.forearm[1]), at(skeleton.forearm[2]), 218 * u * girth);
  stroke(mask, at(thumb[0]), at(skeleton.forearm[0]), 130 * u * girth);
  stroke(mask, at(skeleton.rays[4][0]), at(skeleton.forearm[0]), 120 * u * girth);

  cv::Mat smooth;
  cv::GaussianBlur(mask, mask, {}, kRounding * u);
  cv::resize(mask, smooth, {grid.size, grid.size}, 0, 0, cv::INTER_CUBIC);
  return smooth;
}

/// A flat body with rounded rim.
cv::Mat palm_thickness(const cv::Mat& shape, const Patient& person, const Grid& grid) {
  cv::Mat thickness;
  cv::distanceTransform(shape > 127, thickness, cv::DIST_L2, cv::DIST_MASK_5);
  const auto per_rim = static_cast<float>(1 / (kPalmRim * grid.unit));
  const auto full = static_cast<float>(kPalmThickness * person.flesh);
  // The transform knows the skin to a pixel only, which shows as steps; there the slope of the blurred shape, that of
  // a blurred straight edge, tells the distance to a fraction.
  const auto per_level = static_cast<float>(kRounding * grid.unit * std::sqrt(2 * CV_PI) / 255);
  for (int y = 0; y < shape.rows; ++y) {
    const std::uint8_t* level = shape.ptr<std::uint8_t>(y);
    float* t = thickness.ptr<float>(y);
    for (int x = 0; x < shape.cols; ++x) {
      const float near = (static_cast<float>(level[x]) - 127.5f) * per_level, far = t[x] - 0.5f;
      const float w = std::clamp((t[x] - 1) / 3, 0.0f, 1.0f);
      const float q = 1 - std::clamp((near + w * (far - near)) * per_rim, 0.0f, 1.0f);
      t[x] = full * std::sqrt(1 - q * q);
    }
  }
  return thickness;
}

/// Joins a finger to what is drawn: the fourth power of thicknesses adds, a maximum without a crease.
void add_finger(cv::Mat& fourth, const Skeleton& skeleton, int ray, const Patient& person, const Grid& grid) {
  std::vector<cv::Point2d> line;
  for (const cv::Point2d& p : skeleton.rays[static_cast<std::size_t>(ray)]) line.push_back(grid.from_image(p));
  line.front() = line[0] + (line[1] - line[0]) * 0.55;  // deep in the palm there is no finger
  std::vector<double> reach = {0};
  for (std::size_t i = 1; i < line.size(); ++i) reach.push_back(reach.back() + cv::norm(line[i] - line[i - 1]));
  std::vector<float> radius;
  for (double r : reach) {
    radius.push_back(static_cast<float>(finger_radius(ray, 0.25 + 0.75 * r / reach.back(), person.flesh) * grid.unit));
  }
  // The skin lies closer to the tip of the bone than to its sides.
  const cv::Point2d tip_way =
      (line.back() - line[line.size() - 2]) * (1 / cv::norm(line.back() - line[line.size() - 2]));
  line.back() -= tip_way * (radius.back() - 36 * grid.unit);

  const cv::Rect2d box = box_of(line);
  const double m = *std::max_element(radius.begin(), radius.end()) + 2;
  const cv::Rect area = cv::Rect(cv::Point(cvFloor(box.x - m), cvFloor(box.y - m)),
                                 cv::Point(cvCeil(box.x + box.width + m), cvCeil(box.y + box.height + m))) &
                        cv::Rect({0, 0}, fourth.size());
  const auto to_units = static_cast<float>(1 / grid.unit);
  for (int y = area.y; y < area.br().y; ++y) {
    float* out = fourth.ptr<float>(y);
    for (int x = area.x; x < area.br().x; ++x) {
      float best = 0;  // square of half the chord
      for (std::size_t i = 0; i + 1 < line.size(); ++i) {
        const cv::Point2f a = line[i], way = line[i + 1] - line[i];
        const cv::Point2f p(static_cast<float>(x) - a.x, static_cast<float>(y) - a.y);
        const float t = std::clamp(p.dot(way) / way.dot(way), 0.0f, 1.0f);
        const cv::Point2f off = p - way * t;
        const float r = radius[i] + t * (radius[i + 1] - radius[i]);
        best = std::max(best, r * r - off.dot(off));
      }
      const float squared = 4 * best * to_units * to_units * 0.9f;  // fingers are a little flat
      out[x] += squared * squared;
    }
  }
}

void add_bump(cv::Mat& thickness, cv::Point2d centre, double radius, double height) {
  const cv::Rect area =
      cv::Rect(cvFloor(centre.x - 2 * radius), cvFloor(centre.y - 2 * radius), cvCeil(4 * radius), cvCeil(4 * radius)) &
      cv::Rect({0, 0}, thickness.size());
  for (int y = area.y; y < area.br().y; ++y) {
    for (int x = area.x; x < area.br().x; ++x) {
      const cv::Point2d off(x - centre.x, y - centre.y);
      const double near = std::max(0.0, 1 - off.dot(off) / (4 * radius * radius));
      float& t = thickness.at<float>(y, x);
      t *= 1 + static_cast<float>(height * near * near);  // a factor keeps the skin line where it is
    }
  }
}

/// Creases across the joints of the fingers and through the palm: a faint change of thickness along thin lines.
void add_creases(cv::Mat& thickness, const Skeleton& skeleton, const Grid& grid, Random& random) {
  cv::Mat lines(thickness.size(), CV_8UC1, cv::Scalar(0));
  for (int ray = 0; ray < kRays; ++ray) {
    const auto& line = skeleton.rays[static_cast<std::size_t>(ray)];
    for (std::size_t joint = 1; joint + 1 < line.size(); ++joint) {
      const cv::Point2d way = grid.from_image(line[joint + 1]) - grid.from_image(line[joint]);
      const cv::Point2d across = cv::Point2d(-way.y, way.x) * (random.uniform(60, 100) * grid.unit / cv::norm(way));
      const cv::Point2d centre = grid.from_image(line[joint]) + way * random.uniform(-0.1, 0.15);
      const cv::Point2d sag = way * random.uniform(-0.08, 0.08);
      std::vector<cv::Point> arc = {centre - across + sag, centre, centre + across + sag};
      if (random.chance(0.6)) cv::polylines(lines, arc, false, cv::Scalar(random.uniform(60, 255)), 1, cv::LINE_AA);
    }
  }
  cv::Mat soft;
  cv::GaussianBlur(lines, soft, {}, std::max(0.6, 3 * grid.unit));
  const auto strength = static_cast<float>(random.uniform(-0.10, 0.16) / 255);
  for (int y = 0; y < thickness.rows; ++y) {
    for (int x = 0; x < thickness.cols; ++x) {
      thickness.at<float>(y, x) *= 1 + strength * static_cast<float>(soft.at<std::uint8_t>(y, x));
    }
  }
}

}  // namespace

double finger_radius(int ray, double along, double flesh) {
  static constexpr std::array<double, kRays> kBase = {92, 88, 90, 84, 76}, kTip = {72, 64, 66, 62, 54};
  const auto r = static_cast<std::size_t>(ray);
  return (kBase[r] + (kTip[r] - kBase[r]) * along) * (0.75 + 0.25 * flesh);
}

cv::Mat soft_tissue(const Skeleton& skeleton, const Patient& person, int size, std::uint64_t seed) {
  const Grid grid = grid_for(skeleton, size);
  Random random(seed, {7});
  cv::Mat thickness = palm_thickness(palm_shape(skeleton, person, grid), person, grid);
  const auto thumb = skeleton.rays[0], little = skeleton.rays[4];
  add_bump(thickness, grid.from_image((thumb[0] + thumb[1]) * 0.5), 120 * grid.unit, random.uniform(0.05, 0.4));
  add_bump(thickness, grid.from_image((little[0] + little[1]) * 0.5), 110 * grid.unit, random.uniform(0.0, 0.3));
  add_bump(thickness, grid.from_image(skeleton.forearm[1]), 320 * grid.unit, random.uniform(0.0, 0.3));

  cv::Mat fourth;
  cv::pow(thickness, 4, fourth);
  for (int ray = 0; ray < kRays; ++ray) add_finger(fourth, skeleton, ray, person, grid);
  cv::sqrt(fourth, fourth);
  cv::sqrt(fourth, thickness);
  add_creases(thickness, skeleton, grid, random);
  const cv::Mat muscle = smooth_noise(thickness.size(), 14, random.bits());
  const cv::Mat fat = smooth_noise(thickness.size(), 60, random.bits());
  thickness = thickness.mul(1 + 0.028 * muscle + 0.012 * fat);

  cv::GaussianBlur(thickness, thickness, {}, std::max(0.5, 2.0 * grid.unit));
  if (grid.size != size) cv::resize(thickness, thickness, {size, size}, 0, 0, cv::INTER_CUBIC);
  return thickness * kSoft;
}

}  // namespace osteon::data::phantom
