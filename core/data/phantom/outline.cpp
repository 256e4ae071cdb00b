// SPDX-License-Identifier: Apache-2.0
#include "data/phantom/outline.hpp"

#include <algorithm>
#include <cmath>

namespace osteon::data::phantom {
namespace {

double cross(cv::Point2d a, cv::Point2d b) { return a.x * b.y - a.y * b.x; }

/// Barry and Goldman's pyramid for one span (b to c) of a centripetal Catmull-Rom curve; t in [0, 1).
cv::Point2d span_point(cv::Point2d a, cv::Point2d b, cv::Point2d c, cv::Point2d d, double t) {
  auto knot = [](cv::Point2d p, cv::Point2d q) { return std::max(std::sqrt(cv::norm(q - p)), 1e-9); };
  const double t0 = 0, t1 = knot(a, b), t2 = t1 + knot(b, c), t3 = t2 + knot(c, d);
  const double at = t1 + (t2 - t1) * t;
  auto mix = [at](cv::Point2d p, cv::Point2d q, double from, double to) {
    return p * ((to - at) / (to - from)) + q * ((at - from) / (to - from));
  };
  const cv::Point2d ab = mix(a, b, t0, t1), bc = mix(b, c, t1, t2), cd = mix(c, d, t2, t3);
  return mix(mix(ab, bc, t0, t2), mix(bc, cd, t1, t3), t1, t2);
}

}  // namespace

Outline smooth_closed(const Outline& knots, int steps) {
  const std::size_t n = knots.size();
  Outline curve;
  curve.reserve(n * static_cast<std::size_t>(steps));
  for (std::size_t i = 0; i < n; ++i) {
    for (int k = 0; k < steps; ++k) {
      curve.push_back(span_point(knots[(i + n - 1) % n], knots[i], knots[(i + 1) % n], knots[(i + 2) % n],
                                 static_cast<double>(k) / steps));
    }
  }
  return curve;
}

double area_of(const Outline& outline) {
  double twice = 0;
  for (std::size_t i = 0; i < outline.size(); ++i) twice += cross(outline[i], outline[(i + 1) % outline.size()]);
  return std::abs(twice) / 2;
}

cv::Point2d centroid_of(const Outline& outline) {
  double twice = 0;
  cv::Point2d sum(0, 0);
  for (std::size_t i = 0; i < outline.size(); ++i) {
    const cv::Point2d a = outline[i], b = outline[(i + 1) % outline.size()];
    const double w = cross(a, b);
    twice += w;
    sum += (a + b) * w;
  }
  return sum * (1 / (3 * twice));
}

cv::Rect2d box_of(const Outline& outline) {
  cv::Point2d low = outline.front(), high = outline.front();
  for (const cv::Point2d& p : outline) {
    low = {std::min(low.x, p.x), std::min(low.y, p.y)};
    high = {std::max(high.x, p.x), std::max(high.y, p.y)};
  }
  return {low, high};
}

Outline clipped_below(const Outline& outline, double bottom) {
  Outline kept;
  for (std::size_t i = 0; i < outline.size(); ++i) {
    const cv::Point2d a = outline[i], b = outline[(i + 1) % outline.size()];
    if (a.y <= bottom) kept.push_back(a);
    if ((a.y <= bottom) != (b.y <= bottom)) kept.push_back(a + (b - a) * ((bottom - a.y) / (b.y - a.y)));
  }
  return kept;
}

Outline transformed(const Outline& outline, const cv::Matx33d& matrix) {
  Outline moved;
  moved.reserve(outline.size());
  for (const cv::Point2d& p : outline) moved.push_back(apply(matrix, p));
  return moved;
}

void fill(cv::Mat& mask, const Outline& outline, cv::Point origin) {
  CV_Assert(mask.type() == CV_8UC1);
  // One pass over the edges collects where each row's centre line is crossed; even-odd pairs are the inside.
  std::vector<std::vector<double>> crossings(static_cast<std::size_t>(mask.rows));
  for (std::size_t i = 0; i < outline.size(); ++i) {
    cv::Point2d a = outline[i], b = outline[(i + 1) % outline.size()];
    if (a.y > b.y) std::swap(a, b);
    const int first = std::max(static_cast<int>(std::ceil(a.y)) - origin.y, 0);
    const int last = std::min(static_cast<int>(std::ceil(b.y)) - origin.y, mask.rows);
    for (int row = first; row < last; ++row) {
      const double t = (row + origin.y - a.y) / (b.y - a.y);
      crossings[static_cast<std::size_t>(row)].push_back(a.x + t * (b.x - a.x));
    }
  }
  for (int row = 0; row < mask.rows; ++row) {
    std::vector<double>& xs = crossings[static_cast<std::size_t>(row)];
    std::sort(xs.begin(), xs.end());
    for (std::size_t k = 0; k + 1 < xs.size(); k += 2) {
      const int from = std::max(static_cast<int>(std::ceil(xs[k])) - origin.x, 0);
      const int to = std::min(static_cast<int>(std::ceil(xs[k + 1])) - origin.x, mask.cols);
      if (from < to) std::fill(mask.ptr(row) + from, mask.ptr(row) + to, std::uint8_t{255});
    }
  }
}

cv::Matx33d rotation_about(cv::Point2d c, double degrees) {
  const double a = degrees * CV_PI / 180, k = std::cos(a), s = std::sin(a);
  return {k, -s, c.x - k * c.x + s * c.y, s, k, c.y - s * c.x - k * c.y, 0, 0, 1};
}

cv::Matx33d translation(cv::Point2d by) { return {1, 0, by.x, 0, 1, by.y, 0, 0, 1}; }

cv::Matx33d stretch_about(cv::Point2d c, cv::Point2d axis, double factor) {
  const double g = factor - 1, xx = 1 + g * axis.x * axis.x, xy = g * axis.x * axis.y, yy = 1 + g * axis.y * axis.y;
  return {xx, xy, c.x - xx * c.x - xy * c.y, xy, yy, c.y - xy * c.x - yy * c.y, 0, 0, 1};
}

cv::Point2d apply(const cv::Matx33d& m, cv::Point2d p) {
  return {m(0, 0) * p.x + m(0, 1) * p.y + m(0, 2), m(1, 0) * p.x + m(1, 1) * p.y + m(1, 2)};
}

}  // namespace osteon::data::phantom
